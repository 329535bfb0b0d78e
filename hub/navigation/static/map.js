// The map for drivers: dots come as vector tiles, what changes is told by one stream and shown at once, and a list says the same in words.
const LOCATIONS_ZOOM = 10;              // below it tiles have clusters only
const TILES_ZOOM_MAX = 14;              // their points are to the metre
const LIST_STEP = 50;
const FILTERED_MAX = 1000;
const CHANGED_WAIT_MILLISECONDS = 1000; // before lists are read anew, when something came or went
const SETTLE_MILLISECONDS = 700;        // a process that answers may be behind the one that streams
const AFAR_MILLISECONDS = 5000;         // clusters are asked again; nobody wants every change of a continent
const RETRY_MILLISECONDS_MIN = 2000, RETRY_MILLISECONDS_MAX = 30000;
const BOX_MAX_DEGREES = 20;
const NEAR_METRES = 100;
const STATE_WORDS = { available: "free", occupied: "all in use", unknown: "not known", out_of_service: "out of order" };
const STATUS_STATES = { AVAILABLE: "available", CHARGING: "occupied", BLOCKED: "occupied", RESERVED: "occupied", INOPERATIVE: "out_of_service", OUTOFORDER: "out_of_service", PLANNED: "out_of_service" };
const PLUGS = {
  IEC_62196_T2_COMBO: "CCS (Type 2)", IEC_62196_T2: "Type 2", IEC_62196_T1_COMBO: "CCS (Type 1)", IEC_62196_T1: "Type 1", CHADEMO: "CHAdeMO",
  TESLA_S: "Tesla", TESLA_R: "Tesla Roadster", GBT_AC: "GB/T AC", GBT_DC: "GB/T DC", DOMESTIC_F: "household (Schuko)", IEC_62196_T3C: "Type 3C",
};
const DAYS = ["", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

const byId = (id) => document.getElementById(id);
const [place, filters, says, connection, places, more, panel] = ["map", "filters", "says", "connection", "places", "more", "place"].map(byId);
const isDark = matchMedia("(prefers-color-scheme: dark)");
const isCalm = matchMedia("(prefers-reduced-motion: reduce)");
const key = new URLSearchParams(location.search).get("key");

const list = { features: [], total: 0, shown: LIST_STEP, asking: null, wanted: 0 };
const stream = { source: null, box: null, cursor: null, retry: RETRY_MILLISECONDS_MIN, wanted: 0, isLost: false };
const changed = new Map();              // number of a Location → the change that its dot shows over what its tile says
let map = null, shared, countries, fallback = { center: [10, 50], zoom: 11 }, chosen = null, opener = null;

// --- asking ---

function address(path, query = {}) {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== "" && value != null));
  if (key) asked.set("key", key);
  const text = asked.toString();
  return text ? `${path}?${text}` : path;
}

class Refused extends Error {
  constructor(answer) {
    super(String(answer.status));
    this.status = answer.status;
    this.seconds = Number(answer.headers.get("Retry-After")) || 5;
  }
}

async function ask(path, query, signal) {
  const answer = await fetch(address(path, query), { signal, cache: "no-cache" });
  if (!answer.ok) throw new Refused(answer);
  return answer.json();
}

function excuse(error) {
  if (error.status === 401) return "This hub wants a key for its map.";
  if (error.status === 429) return "Too many questions at once; it goes on in a moment.";
  if (error.status === 503) return "The hub has just begun; it goes on in a moment.";
  return "The hub does not answer; what is shown may be old.";
}

// --- words ---

function el(tag, { text, ...attributes } = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value != null) made.setAttribute(name, value);
  if (text != null) made.textContent = text;
  made.append(...children.filter((child) => child != null));
  return made;
}

const mark = (state) => el("span", { class: `mark s-${state}`, "aria-hidden": "true" });
const plug = (standard) => PLUGS[standard] ?? standard.replaceAll("_", " ").toLowerCase();
const power = (kw) => (kw == null ? "power not known" : `${kw.toLocaleString("en")} kW`);
const many = (count, one) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;
const moment = (text) => new Date(text).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
const free = (said) => `${said.evses.available} of ${said.evses.total} free`;
const titled = (said) => said.name || said.address;

// --- where one looks ---

const isClose = () => !map || map.getZoom() >= LOCATIONS_ZOOM;

function edges() {
  if (!map) return around(fallback.center, fallback.span ?? [0.5, 0.3]);
  const bounds = map.getBounds();
  return { west: bounds.getWest(), south: bounds.getSouth(), east: bounds.getEast(), north: bounds.getNorth() };
}

function around([x, y], [width, height]) {
  return { west: x - width / 2, south: y - height / 2, east: x + width / 2, north: y + height / 2 };
}

// w,s,e,n as the hub reads it: a box over the 180th meridian has its west east of its east
function boxText({ west, south, east, north }) {
  const latitude = (value) => Math.max(-90, Math.min(90, value)).toFixed(5);
  const longitude = (value) => (((value + 540) % 360) - 180).toFixed(5);
  return east - west >= 360 ? `-180,${latitude(south)},180,${latitude(north)}` : [longitude(west), latitude(south), longitude(east), latitude(north)].join();
}

function padded({ west, south, east, north }) {
  const [x, y] = [(east - west) / 2, (north - south) / 2];
  return { west: west - x, south: south - y, east: east + x, north: north + y };
}

const holds = (outer, inner) => outer.west <= inner.west && outer.south <= inner.south && outer.east >= inner.east && outer.north >= inner.north;
const centre = () => (map ? map.getCenter().toArray() : fallback.center);

function go(center, zoom) {
  if (map) map.flyTo({ center, zoom, animate: !isCalm.matches, duration: 800 });
  else { fallback = { center }; load(); }
}

// --- what is looked for ---

const wanted = () => Object.fromEntries([...new FormData(filters)].filter(([, value]) => value));
const isFiltered = () => Object.keys(wanted()).length > 0;

// --- the list ---

function loadSoon(milliseconds = CHANGED_WAIT_MILLISECONDS) {
  if (list.wanted) return;
  list.wanted = setTimeout(load, milliseconds);
}

async function load() {
  clearTimeout(list.wanted);
  list.wanted = 0;
  list.asking?.abort();
  if (!isClose()) { fromAfar(); return; }
  const asking = list.asking = new AbortController();
  try {
    const found = await ask("/nav/v1/locations", { bbox: boxText(edges()), limit: isFiltered() ? FILTERED_MAX : LIST_STEP, ...wanted() }, asking.signal);
    Object.assign(list, { features: nearest(found.features), total: found.total, shown: LIST_STEP });
    answered();
    filterDots();
    drawList();
    tell(found);
  } catch (error) {
    if (asking.signal.aborted) return;
    failed(error);
    loadSoon(error.status === 401 ? RETRY_MILLISECONDS_MAX : (error.seconds ?? 5) * 1000);
  }
}

function nearest(features) {
  const [x, y] = centre();
  const narrow = Math.cos((y * Math.PI) / 180);
  const away = ({ geometry: { coordinates: [east, north] } }) => ((east - x) * narrow) ** 2 + (north - y) ** 2;
  return features.sort((one, other) => away(one) - away(other));
}

function tell({ total, returned }) {
  const what = isFiltered() ? `${many(total, "place")} in view fit.` : `${many(total, "place")} in view.`;
  says.textContent = total === 0 ? `${what} Move the map, or look for something else.` : total > returned && isFiltered() ? `${what} The first ${returned} are shown; go closer for all.` : what;
}

function drawList() {
  const focused = document.activeElement?.dataset?.number;
  places.replaceChildren(...list.features.slice(0, list.shown).map(item));
  more.hidden = list.shown >= list.total;
  if (focused) places.querySelector(`[data-number="${focused}"]`)?.focus();
}

function item(feature) {
  const said = feature.properties;
  const kw = Math.max(0, ...said.summary.map((group) => group.kw ?? 0));
  const button = el("button", { type: "button", "data-number": feature.id, "aria-current": chosen?.id === feature.id ? "true" : null },
    mark(said.state),
    el("span", { class: "text" }, el("span", { text: titled(said) }),
      el("small", { text: `${free(said)}${said.evses.available ? "" : ` (${STATE_WORDS[said.state]})`}${kw ? ` · up to ${power(kw)}` : ""} · ${said.address}, ${said.city}` })));
  button.addEventListener("click", () => open(feature, button));
  return el("li", {}, button);
}

async function showMore() {
  const first = list.shown;
  if (list.shown >= list.features.length) {
    try {
      const found = await ask("/nav/v1/locations", { bbox: boxText(edges()), limit: LIST_STEP, offset: list.features.length, ...wanted() });
      list.features.push(...found.features);
    } catch (error) { failed(error); return; }
  }
  list.shown = Math.min(list.shown + LIST_STEP, list.features.length);
  drawList();
  places.children[first]?.querySelector("button").focus();
}

// --- from afar: clusters in words ---

function clusters() {
  const found = map.queryRenderedFeatures({ layers: ["clusters"] });
  return [...new Map(found.map((feature) => [feature.id, feature])).values()].sort((a, b) => b.properties.count - a.properties.count);
}

function fromAfar() {
  const found = clusters();
  Object.assign(list, { features: [], total: 0 });
  more.hidden = true;
  const sum = (name) => found.reduce((total, { properties }) => total + properties[name], 0);
  const rest = isFiltered() ? " What you look for counts from closer." : "";
  says.textContent = found.length ? `${many(sum("count"), "place")} in view, ${sum("available").toLocaleString("en")} of ${many(sum("evses"), "charging point")} free. Choose a part, or go closer, to see single places.${rest}` : "No place in view.";
  const before = document.activeElement?.dataset?.cluster;
  places.replaceChildren(...found.slice(0, LIST_STEP).map(clusterItem));
  if (before) places.querySelector(`[data-cluster="${before}"]`)?.focus();
}

function clusterItem(feature) {
  const [x, y] = feature.geometry.coordinates;
  const said = feature.properties;
  const where = `${Math.abs(y).toFixed(1)}° ${y < 0 ? "S" : "N"}, ${Math.abs(x).toFixed(1)}° ${x < 0 ? "W" : "E"}`;
  const country = countryOf(x, y);
  const button = el("button", { type: "button", "data-cluster": feature.id },
    el("span", { class: "text" }, el("span", { text: `${country ?? where}: ${many(said.count, "place")}` }), el("small", { text: `${said.available} of ${said.evses} free${country ? ` · ${where}` : ""}` })));
  button.addEventListener("click", () => closer(feature));
  return el("li", {}, button);
}

function closer({ geometry, properties }) {
  go(geometry.coordinates, properties.count === 1 ? LOCATIONS_ZOOM + 3 : Math.max(properties.expansion_zoom, Math.floor(map.getZoom()) + 1) + 0.2);
}

function countryOf(x, y) {
  const isIn = (ring) => {
    let inside = false;
    for (let at = 0, before = ring.length - 1; at < ring.length; before = at++) {
      const [[x1, y1], [x2, y2]] = [ring[at], ring[before]];
      if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
    }
    return inside;
  };
  const parts = ({ type, coordinates }) => (type === "Polygon" ? [coordinates] : coordinates);
  return countries.features.find(({ geometry }) => geometry && parts(geometry).some(([outer]) => isIn(outer)))?.properties.name;
}

// --- one of them ---

async function open(feature, from) {
  opener = from ?? document.activeElement;
  choose(feature);
  await read(true);
}

function choose(feature) {
  if (map && chosen) dot(chosen.id, { chosen: false });
  chosen = feature;
  if (map && chosen) dot(chosen.id, { chosen: true });
  for (const button of places.querySelectorAll("button")) {
    if (chosen && button.dataset.number === String(chosen.id)) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current");
  }
}

async function read(isNew = false) {
  const asked = chosen;
  try {
    const whole = await ask(asked.properties.links.self);
    if (asked === chosen) show(whole.properties, isNew);
  } catch (error) {
    if (error.status === 404 && asked === chosen) close("This place is not there any more.");
    else failed(error);
  }
}

function show(said, isNew) {
  const heading = el("h2", { id: "place-name", tabindex: "-1", text: titled(said) });
  const shut = el("button", { type: "button", class: "close", "aria-label": "Close", text: "×" });
  shut.addEventListener("click", () => close());
  panel.replaceChildren(
    el("header", {}, heading, shut),
    el("address", { text: [said.address, [said.postal_code, said.city].filter(Boolean).join(" "), said.country].filter(Boolean).join(", ") }),
    el("p", { text: `Operator: ${said.operator.name || said.operator.party}` }),
    freshness(said.freshness),
    el("h3", { text: "Plugs" }), plugsTable(said.summary),
    el("h3", { text: "Price without a contract" }), prices(said.evse_list),
    el("h3", { text: "Open" }), opening(said.opening),
    el("h3", { text: "Charging points" }), el("div", {}, ...said.evse_list.map(evse)),
    el("p", {}, el("a", { href: address(said.links.self), text: "All that is known, as JSON" })),
  );
  panel.hidden = false;
  if (isNew) heading.focus();
}

function close(why = "") {
  const listed = places.querySelector(`[data-number="${chosen?.id}"]`);
  panel.hidden = true;
  choose(null);
  if (why) says.textContent = why;
  (opener?.isConnected ? opener : listed ?? byId("places-title")).focus();
}

function freshness(said) {
  if (said.is_reachable) return el("p", { text: `Live: its operator's system can be reached${said.status_changed_at ? `; last change ${moment(said.status_changed_at)}` : ""}.` });
  const since = said.silent_since ? ` since ${moment(said.silent_since)}` : "";
  return el("p", { class: "silent", text: `Source silent${since}: what it said before may not be so any more.` });
}

function plugsTable(groups) {
  if (!groups.length) return el("p", { text: "Nobody said which." });
  const head = el("tr", {}, ...["Plug", "Power", "Free"].map((text) => el("th", { scope: "col", text })));
  const rows = groups.map((group) => el("tr", {},
    el("th", { scope: "row", text: plug(group.connector) }), el("td", { text: power(group.kw) }), el("td", { class: "number", text: `${group.available} of ${group.count}` })));
  return el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows));
}

function grouped(pairs) {
  const groups = new Map();
  for (const [name, member] of pairs) groups.set(name, [...(groups.get(name) ?? []), member]);
  return groups;
}

function prices(evses) {
  const groups = grouped(evses.flatMap((one) => one.connectors).map((connector) => [priced(connector.price?.ad_hoc), withPower(connector)]));
  if (groups.size < 2) return el("p", { text: [...groups.keys()][0] ?? "unknown" });
  return el("ul", {}, ...[...groups].map(([text, plugs]) => el("li", { text: `${[...new Set(plugs)].join("; ")}: ${text}` })));
}

function priced(adHoc) {
  if (!adHoc || adHoc === "unknown") return "unknown";
  const units = { kwh: "a kWh", minute: "a minute", session: "once", parking_minute: "a minute of parking" };
  const parts = Object.entries(units).filter(([name]) => adHoc[name] != null).map(([name, unit]) => `${adHoc[name]} ${adHoc.currency} ${unit}`);
  const notes = [adHoc.incl_vat ? "with VAT" : "VAT not known", adHoc.varies ? "it may vary with time and power" : ""].filter(Boolean).join("; ");
  return `${parts.join(" + ") || "free of charge"} (${notes})`;
}

function opening(said) {
  if (said?.twentyfourseven) return el("p", { text: "around the clock" });
  if (!said?.regular_hours?.length) return el("p", { text: "unknown" });
  const groups = grouped(said.regular_hours.map((hours) => [`${hours.period_begin}–${hours.period_end}`, hours.weekday]));
  return el("ul", {}, ...[...groups].map(([hours, days]) => el("li", { text: `${daysText(days)} ${hours}` })));
}

function daysText(days) {
  const isRow = days.length > 2 && days.every((day, place) => day === days[0] + place);
  return isRow ? `${DAYS[days[0]]}–${DAYS[days.at(-1)]}` : days.map((day) => DAYS[day]).join(", ");
}

const withPower = (connector) => `${plug(connector.standard)}${connector.max_electric_power ? `, ${power(connector.max_electric_power / 1000)}` : ""}`;

function evse(one) {
  const state = STATUS_STATES[one.status] ?? "unknown";
  const said = one.status === one.said ? "" : `, said ${one.said.toLowerCase()} before`;
  const plugs = one.connectors.map(withPower).join("; ");
  return el("div", { class: "evse" }, mark(state),
    el("span", { text: `${one.evse_id ?? one.uid}${one.physical_reference ? ` (${one.physical_reference})` : ""}: ${one.status.toLowerCase()}${said} since ${moment(one.happened_at)} · ${plugs}` }));
}

// --- what changes ---

const dot = (id, state) => map.setFeatureState({ source: "places", sourceLayer: "locations", id }, state);

function follow() {
  if (!isClose()) { unfollow(); return; }
  const view = edges();
  const isWide = stream.box && stream.box.east - stream.box.west > 8 * (view.east - view.west);
  if (stream.source && !isWide && holds(stream.box, view)) return;
  listen(padded(view));
}

function unfollow() {
  clearTimeout(stream.wanted);
  stream.source?.close();
  Object.assign(stream, { source: null, box: null, isLost: false });
}

function listen(box) {
  unfollow();
  stream.box = box;
  const source = stream.source = new EventSource(address("/nav/v1/stream", { bbox: boxText(box), cursor: stream.cursor }));
  let isNew = true;
  source.addEventListener("hello", (event) => {
    note(event);
    stream.isLost = false;
    answered();
    stream.retry = RETRY_MILLISECONDS_MIN;
    // what was read before this stream began may be older than what it tells: read once more
    if (isNew) setTimeout(() => stream.source === source && renew(), SETTLE_MILLISECONDS);
    isNew = false;
  });
  source.addEventListener("status", (event) => { note(event); apply(JSON.parse(event.data)); });
  source.addEventListener("reset", (event) => { note(event); setTimeout(renew, SETTLE_MILLISECONDS); });
  source.addEventListener("error", () => {
    stream.isLost = true;
    lost("Connection lost; what is shown may be old. Trying again …");
    if (source.readyState !== EventSource.CLOSED) return;  // else the browser comes back by itself
    stream.wanted = setTimeout(() => { stream.source = null; follow(); }, stream.retry);
    stream.retry = Math.min(2 * stream.retry, RETRY_MILLISECONDS_MAX);
  });
}

function note(event) {
  if (event.lastEventId) stream.cursor = event.lastEventId;
}

function apply(news) {
  const isGone = news.kind === "gone";
  changed.set(news.number, Number(stream.cursor));
  if (map) dot(news.number, isGone ? { gone: true } : { gone: false, available: news.available, total: news.total, state: news.state });
  const known = list.features.find((feature) => feature.id === news.number);
  if (known && !isGone) {
    Object.assign(known.properties.evses, { available: news.available, total: news.total });
    known.properties.state = news.state;
    const before = places.querySelector(`[data-number="${news.number}"]`);
    if (before) redraw(before, known);
  }
  if (chosen?.id === news.number) readSoon();
  if (isGone || news.is_static) { refreshSoon(); loadSoon(); } else if (wanted().available_now) loadSoon();
}

function redraw(before, feature) {
  const isFocused = before === document.activeElement;
  const after = item(feature);
  before.parentElement.replaceWith(after);
  if (isFocused) after.firstElementChild.focus();
}

function soon(act, milliseconds) {
  let waiting = 0;
  return () => { waiting ||= setTimeout(() => { waiting = 0; act(); }, milliseconds); };
}

const readSoon = soon(() => chosen && read(), 200);
const refreshSoon = soon(() => map?.refreshTiles("places"), CHANGED_WAIT_MILLISECONDS);

function renew() {
  load();
  if (chosen) readSoon();
  if (!map) return;
  const upTo = Number(stream.cursor);
  map.refreshTiles("places");
  const sweep = () => {
    if (!map.isSourceLoaded("places")) return;
    map.off("sourcedata", sweep);
    for (const [id, seq] of changed) {
      if (seq > upTo) continue;  // the tiles say it now
      for (const name of ["gone", "available", "total", "state"]) map.removeFeatureState({ source: "places", sourceLayer: "locations", id }, name);
      changed.delete(id);
    }
  };
  map.on("sourcedata", sweep);
}

function lost(text) { connection.textContent = text; place.dataset.connection = "lost"; }
function answered() {
  if (stream.isLost) return;
  connection.textContent = "";
  place.dataset.connection = stream.source ? "live" : "afar";
}
function failed(error) { lost(excuse(error)); }

// --- the map ---

const hue = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const now = (name) => ["coalesce", ["feature-state", name], ["get", name]];
const isState = (state) => ["==", now("state"), state];
const isGone = ["boolean", ["feature-state", "gone"], false];
const isChosen = ["boolean", ["feature-state", "chosen"], false];
const when = (test) => ["case", isGone, 0, test, 1, 0];
const grown = (small, large) => ["interpolate", ["linear"], ["zoom"], LOCATIONS_ZOOM, small, TILES_ZOOM_MAX, large];

function layers() {
  const tiles = (source) => ({ source: "places", "source-layer": source });
  const sign = (id, text, test) => ({
    id, type: "symbol", ...tiles("locations"), minzoom: LOCATIONS_ZOOM,
    layout: { "text-field": text, "text-size": grown(12, 17), "text-font": ["sans-serif"], "text-allow-overlap": true, "text-ignore-placement": true },
    paint: { "text-opacity": when(test) },
  });
  return [
    ...shared.layers(),
    { id: "clusters", type: "circle", ...tiles("clusters"), maxzoom: LOCATIONS_ZOOM, layout: { "circle-sort-key": ["get", "count"] },
      paint: { "circle-radius": ["step", ["get", "evses"], 15, 100, 19, 1000, 23, 10000, 28], "circle-stroke-width": 3 } },
    { id: "cluster-counts", type: "symbol", ...tiles("clusters"), maxzoom: LOCATIONS_ZOOM,
      layout: { "text-field": ["concat", short("available"), "/", short("evses")], "text-size": 11, "text-font": ["sans-serif"], "text-padding": 0, "symbol-sort-key": ["-", ["get", "count"]] } },
    { id: "dots", type: "circle", ...tiles("locations"), minzoom: LOCATIONS_ZOOM,
      paint: { "circle-radius": grown(7, 11), "circle-stroke-width": ["case", isChosen, 4, 1.5], "circle-opacity": when(true), "circle-stroke-opacity": when(true) } },
    { id: "rings", type: "circle", ...tiles("locations"), minzoom: LOCATIONS_ZOOM, paint: { "circle-radius": grown(3, 5), "circle-opacity": when(isState("occupied")) } },
    sign("signs-unknown", "?", isState("unknown")), sign("signs-out", "×", isState("out_of_service")),
  ];
}

function short(name) {
  const value = ["get", name];
  return ["case", [">=", value, 10000], ["concat", ["to-string", ["floor", ["/", value, 1000]]], "k"], ["to-string", value]];
}

function look() {
  const paint = shared.colours(isDark.matches);
  const byState = ["match", now("state"), ...["available", "occupied", "out_of_service"].flatMap((state) => [state, hue(state)]), hue("unknown")];
  return [
    ...shared.look(paint),
    ["clusters", "circle-color", paint.card],
    ["clusters", "circle-stroke-color", ["case", [">", ["get", "available"], 0], hue("available"), hue("unknown")]],
    ["cluster-counts", "text-color", hue("ink")],
    ["dots", "circle-color", byState], ["dots", "circle-stroke-color", ["case", isChosen, hue("ink"), paint.card]],
    ["rings", "circle-color", paint.card], ["signs-unknown", "text-color", paint.card], ["signs-out", "text-color", paint.card],
  ];
}

const dress = () => { for (const [layer, name, value] of look()) map.setPaintProperty(layer, name, value); };

function filterDots() {
  if (!map) return;
  const ids = list.features.map((feature) => feature.id);
  const rule = !isFiltered() ? null : ids.length ? ["match", ["id"], ids, true, false] : ["literal", false];
  for (const layer of ["dots", "rings", "signs-unknown", "signs-out"]) map.setFilter(layer, rule);
}

async function onDot({ features: [touched] }) {
  const listed = list.features.find((feature) => feature.id === touched.id);
  if (listed) { open(listed, map.getCanvas()); return; }
  const [x, y] = touched.geometry.coordinates;
  try {
    const { features } = await ask("/nav/v1/locations", { near: `${y.toFixed(6)},${x.toFixed(6)}`, radius: NEAR_METRES, limit: FILTERED_MAX });
    const found = features.find((feature) => feature.id === touched.id);
    if (found) open(found, map.getCanvas());
  } catch (error) { failed(error); }
}

function first() {
  const bounds = place.dataset.bounds ? place.dataset.bounds.split(",").map(Number) : null;
  if (!bounds) return { center: [10, 50], zoom: 3 };
  return { bounds: [bounds.slice(0, 2), bounds.slice(2)], fitBoundsOptions: { padding: 60, maxZoom: 13 } };
}

async function begin() {
  const library = await import(place.dataset.library);
  library.setWorkerUrl(new URL(place.dataset.worker, location.href).href);
  shared = await import(place.dataset.shared);
  const earth = await shared.world(place.dataset.world);
  countries = earth.countries;
  const drawn = new library.Map({
    container: place, ...first(), hash: "at", minZoom: 1, maxZoom: 18, dragRotate: false, pitchWithRotate: false, attributionControl: false,
    refreshExpiredTiles: false,
    transformRequest: (url) => (url.includes("/nav/v1/tiles/") ? { url, cache: "no-cache" } : { url }),
    style: {
      version: 8, layers: layers(),
      sources: {
        ...shared.sources(earth),
        places: { type: "vector", tiles: [location.origin + address("/nav/v1/tiles/{z}/{x}/{y}.mvt")], minzoom: 0, maxzoom: TILES_ZOOM_MAX },
      },
    },
  });
  drawn.touchZoomRotate.disableRotation();
  drawn.addControl(new library.NavigationControl({ showCompass: false }));
  drawn.addControl(new library.ScaleControl());
  drawn.on("load", () => {
    map = place.map = drawn;  // for whoever looks from outside, as tests do
    dress();
    isDark.addEventListener("change", dress);
    map.on("moveend", () => { load(); follow(); });
    map.on("idle", () => { if (!isClose()) fromAfar(); });
    map.on("click", "dots", onDot);
    map.on("click", "clusters", ({ features: [touched] }) => closer(touched));
    for (const layer of ["dots", "clusters"]) {
      map.on("mouseenter", layer, () => { map.getCanvas().style.cursor = "pointer"; });
      map.on("mouseleave", layer, () => { map.getCanvas().style.cursor = ""; });
    }
    map.on("sourcedata", ({ sourceId, tile }) => { if (sourceId === "places" && tile && !isClose()) answered(); });
    place.dataset.ready = "yes";
    load();
    follow();
  });
  drawn.on("error", ({ error, sourceId }) => {
    if (sourceId !== "places") { console.info("map", error); return; }
    failed(error);
    refreshSoon();
  });
}

function withoutMap(error) {
  console.info("no map", error);
  place.hidden = true;
  const bounds = place.dataset.bounds ? place.dataset.bounds.split(",").map(Number) : null;
  if (bounds) {
    const [west, south, east, north] = bounds;
    fallback = { center: [(west + east) / 2, (south + north) / 2], span: [Math.min(BOX_MAX_DEGREES, east - west), Math.min(BOX_MAX_DEGREES, north - south)] };
  }
  byId("places-title").textContent = "Places (this browser draws no maps: it needs WebGL)";
  load();
  follow();
}

filters.addEventListener("change", () => (isClose() ? load() : fromAfar()));
filters.addEventListener("submit", (event) => event.preventDefault());
more.addEventListener("click", showMore);
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !panel.hidden) close(); });
byId("here").addEventListener("click", () => {
  if (!navigator.geolocation) { says.textContent = "This browser does not tell where you are."; return; }
  navigator.geolocation.getCurrentPosition(
    ({ coords }) => go([coords.longitude, coords.latitude], 13),
    () => { says.textContent = "Where you are is not known: the browser did not tell."; },
  );
});
setInterval(() => { if (map && !isClose() && !document.hidden) map.refreshTiles("places"); }, AFAR_MILLISECONDS);
begin().catch(withoutMap);
