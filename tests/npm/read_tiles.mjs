// Reads all tiles of a PMTiles file over HTTP, within the bounds that it says, and writes their features as JSON.
import { VectorTile } from "@mapbox/vector-tile";
import { PbfReader } from "pbf";
import { PMTiles } from "pmtiles";

const archive = new PMTiles(process.argv[2]);
const header = await archive.getHeader();
const metadata = await archive.getMetadata();

function column(longitude, zoom) {
  return Math.floor(((longitude + 180) / 360) * 2 ** zoom);
}

function row(latitude, zoom) {
  const angle = (latitude * Math.PI) / 180;
  return Math.floor(((1 - Math.asinh(Math.tan(angle)) / Math.PI) / 2) * 2 ** zoom);
}

function features(layer) {
  return Array.from({ length: layer.length }, (_, place) => {
    const feature = layer.feature(place);
    const [[point]] = feature.loadGeometry();
    return { id: feature.id, type: feature.type, x: point.x, y: point.y, properties: { ...feature.properties } };
  });
}

const tiles = {};
for (let zoom = header.minZoom; zoom <= header.maxZoom; zoom += 1) {
  for (let x = column(header.minLon, zoom); x <= column(header.maxLon, zoom); x += 1) {
    for (let y = row(header.maxLat, zoom); y <= row(header.minLat, zoom); y += 1) {
      const found = await archive.getZxy(zoom, x, y);
      if (found === undefined) continue;
      const { layers } = new VectorTile(new PbfReader(found.data));
      tiles[`${zoom}/${x}/${y}`] = Object.fromEntries(
        Object.entries(layers).map(([name, layer]) => [name, { version: layer.version, extent: layer.extent, features: features(layer) }]),
      );
    }
  }
}
console.log(JSON.stringify({ tiles, metadata }));
