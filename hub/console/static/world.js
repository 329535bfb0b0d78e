// The world under the dots, for every map of the hub: countries come with it, no map server is asked. Needs topojson on the page.

export function colours(isDark) {
  return {
    sea: isDark ? "#0f1722" : "#dbe7f1", land: isDark ? "#1f2b3a" : "#fbfaf7", border: isDark ? "#42546b" : "#b9c3cf",
    ink: isDark ? "#a9b6c6" : "#5b6776", card: isDark ? "#1b2431" : "#ffffff",
  };
}

// What the layers of the world look like: layer, paint property, value.
export function look(paint) {
  return [
    ["sea", "background-color", paint.sea], ["land", "fill-color", paint.land], ["border", "line-color", paint.border],
    ["names", "text-color", paint.ink], ["names", "text-halo-color", paint.land],
  ];
}

export const layers = () => [
  { id: "sea", type: "background" },
  { id: "land", type: "fill", source: "world" },
  { id: "border", type: "line", source: "borders", paint: { "line-width": 0.8 } },
  { id: "names", type: "symbol", source: "names", minzoom: 2.5, maxzoom: 8, layout: { "text-field": ["get", "name"], "text-size": 11, "text-font": ["sans-serif"] }, paint: { "text-halo-width": 1 } },
];

export function sources({ countries, borders, names }) {
  const source = (data) => ({ type: "geojson", data });
  return { world: source(countries), borders: source(borders), names: source(names) };
}

export async function world(address) {
  const atlas = await (await fetch(address)).json();
  const countries = topojson.feature(atlas, atlas.objects.countries);
  for (const { geometry } of countries.features) if (geometry) geometry.coordinates = unbroken(geometry.coordinates, true);
  const borders = topojson.mesh(atlas, atlas.objects.countries);
  borders.coordinates = unbroken(borders.coordinates, false);
  return { countries, borders, names: namesOf(countries) };
}

// The atlas joins at 180 degrees what lies on both sides; a line that jumps from there to -180 would be drawn across the world.
function unbroken(coordinates, isRing) {
  if (typeof coordinates[0][0] !== "number") return coordinates.map((part) => unbroken(part, isRing));
  let turn = 0;
  const line = coordinates.map(([x, y], place) => {
    const step = place ? x - coordinates[place - 1][0] : 0;
    turn += step > 180 ? -360 : step < -180 ? 360 : 0;
    return [x + turn, y];
  });
  return isRing && turn ? [...line, [line.at(-1)[0], -90], [line[0][0], -90], line[0]] : line;  // around the pole
}

// each country's name in the middle of its largest part
function namesOf(countries) {
  const rings = (shape) => (shape.type === "Polygon" ? [shape.coordinates[0]] : shape.coordinates.map((part) => part[0]));
  const box = (ring) => ring.reduce(([w, s, e, n], [x, y]) => [Math.min(w, x), Math.min(s, y), Math.max(e, x), Math.max(n, y)], [180, 90, -180, -90]);
  const area = ([w, s, e, n]) => (e - w) * (n - s);
  const features = countries.features.filter((one) => one.geometry).map((one) => {
    const [w, s, e, n] = rings(one.geometry).map(box).sort((a, b) => area(b) - area(a))[0];
    return { type: "Feature", properties: { name: one.properties.name }, geometry: { type: "Point", coordinates: [(w + e) / 2, (s + n) / 2] } };
  });
  return { type: "FeatureCollection", features };
}
