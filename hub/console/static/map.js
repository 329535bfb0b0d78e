// The map of locations: countries come with the console, places from the hub; what changes is told by it. The table on the page says the same.
const STATES = ["available", "charging", "blocked", "out_of_order", "unknown"];
const RELOAD_MILLISECONDS_MIN = 3000;
const RELOAD_MILLISECONDS_MAX = 60000;
const CLUSTERED_TO_ZOOM = 14;
const LISTED_MAX = 12;
const REACHED_MAX = 100;  // single dots that Tab goes through
const place = document.getElementById("map");
const says = document.getElementById("map-says");
const sums = Object.fromEntries(["places", ...STATES].map((name) => [name, ["+", ["get", name]]]));

const shown = { features: new Map(), isExact: true, loadedAt: 0, wanted: 0, asking: null };
const markers = new Map();
let map, popup, shared;

const style = (selector) => getComputedStyle(document.querySelector(selector));
const hue = (state) => style(`.dot.s-${state}`).getPropertyValue("background-color");

const isDark = () => document.documentElement.getAttribute("data-bs-theme") === "dark";

const byState = () => ["match", ["get", "state"], ...STATES.slice(0, -1).flatMap((state) => [state, hue(state)]), hue("unknown")];

function look() {
  const paint = shared.colours(isDark());
  return [
    ...shared.look(paint),
    ["dots", "circle-color", ["case", ["==", ["get", "published"], 1], byState(), paint.card]],
    ["dots", "circle-stroke-color", ["case", ["==", ["get", "published"], 1], paint.card, byState()]],
  ];
}

function layers() {
  const single = ["all", ["!", ["has", "point_count"]], ["==", ["get", "places"], 1]];
  return [
    ...shared.layers(),
    { id: "dots", type: "circle", source: "places", filter: single,
      paint: { "circle-radius": ["interpolate", ["linear"], ["zoom"], 4, 5, 14, 9], "circle-stroke-width": 2.5 } },
  ];
}

// --- what is there ---

const collection = () => ({ type: "FeatureCollection", features: [...shown.features.values()] });
const keyOf = (feature) => feature.properties.key || feature.geometry.coordinates.join();

function view() {
  const bounds = map.getBounds();
  const within = (value, most) => Math.max(-most, Math.min(most, value)).toFixed(5);
  return {
    west: within(bounds.getWest(), 180), south: within(bounds.getSouth(), 90),
    east: within(bounds.getEast(), 180), north: within(bounds.getNorth(), 90),
  };
}

async function load() {
  clearTimeout(shown.wanted);
  shown.asking?.abort();
  const asking = shown.asking = new AbortController();
  const query = new URLSearchParams(place.dataset.filters);
  for (const [name, value] of Object.entries(view())) query.set(name, value);
  try {
    const answer = await fetch(`/console/map/places.json?${query}`, { signal: asking.signal });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    const { features } = await answer.json();
    shown.features = new Map(features.map((feature) => [keyOf(feature), feature]));
    shown.isExact = features.every((feature) => feature.properties.places === 1);
    draw();
    told(features);
  } catch (error) {
    if (asking.signal.aborted) return;
    says.textContent = "The hub does not answer; what is shown may be old.";
  }
  shown.loadedAt = Date.now();
  shown.wanted = setTimeout(load, RELOAD_MILLISECONDS_MAX);
}

function told(features) {
  const total = (name) => features.reduce((sum, feature) => sum + feature.properties[name], 0);
  const evses = STATES.reduce((sum, state) => sum + total(state), 0);
  says.textContent = `In view: ${total("places")} locations with ${evses} EVSEs, ${total("available")} of them available. The table below says the same without a map.`;
}

function loadSoon() {
  clearTimeout(shown.wanted);
  shown.wanted = setTimeout(load, Math.max(0, shown.loadedAt + RELOAD_MILLISECONDS_MIN - Date.now()));
}

function draw() {
  map.getSource("places").setData(collection());
}

// --- what changes ---

function listen() {
  const stream = new EventSource("/console/map/live");
  stream.addEventListener("over", () => { stream.close(); says.textContent = "You are signed out; what is shown gets old."; });
  stream.addEventListener("message", (event) => {
    let news;
    try { news = JSON.parse(event.data); } catch { return; }
    for (const state of STATES) for (const sum of document.querySelectorAll(`[data-total="${state}"]`)) sum.textContent = news.totals[state].toLocaleString("en").replaceAll(",", "\u202f");
    if (news.is_whole) news.places.filter(inView).length && apply(news.places.filter(inView)); else loadSoon();
  });
}

function inView(feature) {
  const { west, south, east, north } = view();
  const [x, y] = feature.geometry.coordinates;
  return west <= x && x <= east && south <= y && y <= north;
}

function apply(features) {
  const isKnown = shown.isExact && !place.dataset.filters && features.every((feature) => shown.features.has(keyOf(feature)));
  if (!isKnown) { loadSoon(); return; }
  for (const feature of features) {
    shown.features.set(keyOf(feature), feature);
    if (popup?.isOpen() && popup.of === feature.properties.path) open(feature, popup.getLngLat());
  }
  draw();
  told([...shown.features.values()]);
}

// --- what is close together ---

function ring(said, radius) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `${-radius} ${-radius} ${2 * radius} ${2 * radius}`);
  svg.setAttribute("width", 2 * radius);
  svg.setAttribute("aria-hidden", "true");
  const all = STATES.reduce((sum, state) => sum + said[state], 0) || 1;
  const round = 2 * Math.PI * (radius - 4);
  let at = 0;
  const circle = (kind, length) => {
    const part = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    part.setAttribute("r", radius - 4);
    part.setAttribute("class", kind);
    if (length !== undefined) {
      part.setAttribute("stroke-dasharray", `${length} ${round - length}`);
      part.setAttribute("stroke-dashoffset", String(round / 4 - at));
      at += length;
    }
    svg.append(part);
  };
  circle("middle");
  for (const state of STATES) if (said[state]) circle(`s-${state}`, (said[state] / all) * round);
  return svg;
}

function marker(feature) {
  const said = feature.properties;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "cluster";
  const words = STATES.filter((state) => said[state]).map((state) => `${said[state]} ${state.replaceAll("_", " ")}`).join(", ");
  button.setAttribute("aria-label", `${said.places} locations: ${words || "no EVSE"}. Show them.`);
  button.title = `${said.places} locations: ${words}`;
  button.append(ring(said, said.places < 10 ? 16 : said.places < 100 ? 19 : said.places < 1000 ? 23 : 28));
  const count = document.createElement("span");
  count.textContent = said.places < 10000 ? said.places : `${Math.round(said.places / 1000)}k`;
  button.append(count);
  button.addEventListener("click", () => closer(feature));
  return button;
}

async function closer(feature) {
  const center = feature.geometry.coordinates;
  let zoom = map.getZoom() + 2;
  if (feature.properties.cluster) zoom = Math.max(await map.getSource("places").getClusterExpansionZoom(feature.properties.cluster_id), map.getZoom() + 1);
  map.easeTo({ center, zoom, animate: !matchMedia("(prefers-reduced-motion: reduce)").matches });
}

// Dots are drawn, and drawings cannot be reached by Tab: over each lies a button that a pointer does not see.
function reached(feature) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "reached";
  button.addEventListener("click", async () => { await open(feature, feature.geometry.coordinates); popup.from = button; });
  return button;
}

const wordsOf = ({ name, party, state }) => `${name} (${party}): ${state.replaceAll("_", " ")}. Show it.`;

function wantedMarkers() {
  const clusters = new Map(), dots = new Map();
  for (const feature of map.querySourceFeatures("places")) {
    const said = feature.properties;
    if (said.places > 1) clusters.set(`${feature.geometry.coordinates.map((one) => one.toFixed(4))}|${["places", ...STATES].map((name) => said[name])}`, feature);
    else if (inView(feature)) dots.set(said.key, feature);
  }
  return dots.size > REACHED_MAX ? clusters : new Map([...clusters, ...dots]);
}

function drawMarkers(Marker) {
  const wanted = wantedMarkers();
  for (const [key, one] of markers) if (!wanted.has(key)) { one.remove(); markers.delete(key); }
  for (const [key, feature] of wanted) {
    const isDot = feature.properties.places === 1;
    if (!markers.has(key)) {
      const element = isDot ? reached(feature) : marker(feature);
      markers.set(key, new Marker({ element }).setLngLat(feature.geometry.coordinates).addTo(map));
    }
    const button = markers.get(key).getElement();
    if (isDot && button.getAttribute("aria-label") !== wordsOf(feature.properties)) button.setAttribute("aria-label", wordsOf(feature.properties));
  }
}

function onEscape(event) {
  if (event.key !== "Escape" || !popup.isOpen()) return;
  popup.remove();
  popup.from?.focus();
}

// --- one of them ---

async function open(feature, at) {
  const path = feature.properties.path;
  const answer = await fetch(path.replace("/console/locations/", "/console/map/of/"));
  if (!answer.ok || answer.redirected) return;
  const said = document.createElement("div");
  said.innerHTML = await answer.text();  // a part of a page, made by the hub as all pages are
  show(said, at, path);
}

function show(said, at, path) {
  popup.of = path;
  popup.from = null;
  popup.setLngLat(at).setDOMContent(said);
  if (!popup.isOpen()) popup.addTo(map);
}

function list(features, at) {
  const said = document.createElement("ul");
  said.className = "list-unstyled mb-0";
  for (const feature of features.slice(0, LISTED_MAX)) {
    const link = document.createElement("a");
    link.href = feature.properties.path;
    link.textContent = `${feature.properties.name} (${feature.properties.party})`;
    said.appendChild(document.createElement("li")).append(link);
  }
  if (features.length > LISTED_MAX) said.append(`and ${features.length - LISTED_MAX} more`);
  show(said, at, "");
}

function onClick(event) {
  const found = new Map(event.features.map((feature) => [feature.properties.path, feature]));
  if (found.size === 1) open(event.features[0], event.features[0].geometry.coordinates);
  else list([...found.values()], event.lngLat);
}

// --- the beginning ---

function first() {
  const bounds = place.dataset.bounds?.split(",").map(Number);
  return bounds ? { bounds: [bounds.slice(0, 2), bounds.slice(2)], fitBoundsOptions: { padding: 60, maxZoom: 10 } } : { center: [10, 50], zoom: 3 };
}

async function begin() {
  const library = await import(place.dataset.library);
  library.setWorkerUrl(new URL(place.dataset.worker, location.href).href);
  shared = await import(place.dataset.shared);
  const countries = await shared.world(place.dataset.world);
  map = new library.Map({
    container: place, ...first(), hash: "at", minZoom: 1, maxZoom: 18, renderWorldCopies: false, dragRotate: false, pitchWithRotate: false, attributionControl: false,
    style: {
      version: 8, layers: layers(),
      sources: {
        ...shared.sources(countries),
        places: { type: "geojson", data: collection(), cluster: true, clusterRadius: 40, clusterMaxZoom: CLUSTERED_TO_ZOOM, clusterProperties: sums },
      },
    },
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new library.NavigationControl({ showCompass: false }));
  map.addControl(new library.ScaleControl());
  place.map = map;  // for whoever looks from outside, as tests do
  popup = new library.Popup({ maxWidth: "20rem" });
  const dress = () => { for (const [layer, name, value] of look()) map.setPaintProperty(layer, name, value); };
  map.on("load", () => {
    dress();
    document.addEventListener("hub:theme", dress);
    map.on("render", () => map.isSourceLoaded("places") && drawMarkers(library.Marker));
    map.on("moveend", load);
    place.addEventListener("keydown", onEscape);
    map.on("click", "dots", onClick);
    map.on("mouseenter", "dots", () => { map.getCanvas().style.cursor = "pointer"; });
    map.on("mouseleave", "dots", () => { map.getCanvas().style.cursor = ""; });
    place.dataset.ready = "yes";
    load();
    listen();
  });
}

begin().catch((error) => {
  place.hidden = true;
  says.textContent = "This browser draws no maps (it needs WebGL); the table below says the same.";
  console.info("no map", error);
});
