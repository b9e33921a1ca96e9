// Reads a profile with the package `pprof-format`; prints it as JSON with its texts put in place.
const fs = require("fs");
const zlib = require("zlib");
const { Profile } = require(process.argv[2] + "/node_modules/pprof-format");

const profile = Profile.decode(zlib.gunzipSync(fs.readFileSync(process.argv[3])));
const text = (at) => profile.stringTable.strings[Number(at)];
const functions = new Map(profile.function.map((f) => [Number(f.id), text(f.name)]));
const locations = new Map(profile.location.map((l) => [Number(l.id), functions.get(Number(l.line[0].functionId))]));
console.log(JSON.stringify({
  types: profile.sampleType.map((type) => [text(type.type), text(type.unit)]),
  default: text(profile.defaultSampleType),
  started: String(profile.timeNanos),
  samples: profile.sample.map((sample) => ({
    stack: sample.locationId.map((id) => locations.get(Number(id))),
    values: sample.value.map(Number),
    labels: Object.fromEntries(sample.label.map((label) => [text(label.key), Number(label.str) ? text(label.str) : Number(label.num)])),
  })),
}));
