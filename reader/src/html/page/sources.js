// Sources: what an allocation is coloured by, and what one selects. The 20 that ever had most of a memory have a colour each.
const SOURCES = 20;
const BY = { site: "call site", op: "op", tensor: "tensor", region: "region" };

const namesOfSites = new Map();
/** A name for each call site: its op, its innermost frame, and those around it that set it apart from others. */
function siteNames(process) {
  let names = namesOfSites.get(process);
  if (names) return names;
  const depth = new Uint8Array(process.sites.length).fill(1);
  const name = (frames, site) => [process.ops[site], frames.slice(0, depth[site]).join(" ← ")].filter(Boolean).join(": ") || "unknown call site";
  for (let round = 0; round < 6; round++) {
    names = process.sites.map(name);
    const seen = new Map();
    names.forEach((one, site) => seen.set(one, (seen.get(one) || 0) + 1));
    names.forEach((one, site) => { if (seen.get(one) > 1 && depth[site] < process.sites[site].length) depth[site]++; });
  }
  namesOfSites.set(process, names);
  return names;
}

/** The innermost region of the program at each of these times, which ascend; -1 for none. */
function regionsAt(process, times) {
  const found = new Int32Array(times.length).fill(-1);
  let open = [], next = 0;
  const bands = process.bands;
  for (let at = 0; at < times.length; at++) {
    while (next < bands.length && bands[next].from <= times[at]) open.push(bands[next++]);
    if (open.length) open = open.filter(band => band.to === null || band.to >= times[at]);
    if (open.length) found[at] = open.reduce((inner, band) => band.depth >= inner.depth ? band : inner).name;
  }
  return found;
}

/** The sources of a process by one of `BY`, over all devices or one. */
function sourcesOf(process, by, device) {
  const history = historyOf(process), names = [], numbers = new Map();
  const number = name => {
    let known = numbers.get(name);
    if (known === undefined) { numbers.set(name, known = names.length); names.push(name); }
    return known;
  };
  const nameOf = (site, tensor) => by === "op" ? process.ops[site] || "no op"
    : by === "tensor" ? (tensor === null || tensor === undefined ? "no tensor" : process.tensors[tensor])
      : siteNames(process)[site];
  const ofSite = process.sites.map((_, site) => by === "tensor" ? 0 : number(nameOf(site, null)));
  const ofRegion = region => number(region < 0 ? "no region" : process.regions[region].name);
  const places = process.places.m.length, lives = history.place.length;
  const devicesOf = process.device_sets.map(ids => device === null ? ids.length : Number(ids.includes(device)));
  const ofPlace = new Int32Array(places), weights = new Float64Array(places);
  for (let place = 0; place < places; place++) {
    ofPlace[place] = by === "tensor" ? number(nameOf(0, process.places.y[place])) : ofSite[history.sites[place]];
    weights[place] = history.sizes[place] * devicesOf[history.devices[place]];
  }
  let ofLife = new Int32Array(lives);
  for (let life = 0; life < lives; life++) ofLife[life] = ofPlace[history.place[life]];
  if (by === "region") {
    numbers.clear(); names.length = 0;
    ofLife = regionsAt(process, Float64Array.from(history.born, step => history.when[step] * history.slice_ms)).map(ofRegion);
  }
  const memories = process.memories.length;
  const live = new Float64Array(names.length * memories), most = new Float64Array(names.length * memories);
  const total = new Float64Array(memories), full = new Float64Array(memories);
  for (let step = 0; step < history.count; step++) {
    const raw = history.life[step], life = raw < 0 ? ~raw : raw, place = history.place[life];
    const memory = history.memories[place], at = ofLife[life] * memories + memory, weight = weights[place];
    if (raw < 0) { live[at] -= weight; total[memory] -= weight; continue; }
    live[at] += weight; total[memory] += weight;
    if (live[at] > most[at]) most[at] = live[at];
    if (total[memory] > full[memory]) full[memory] = total[memory];
  }
  // By the largest part that each ever had of the peak of a memory.
  const share = names.map((_, source) => {
    let largest = 0;
    for (let memory = 0; memory < memories; memory++)
      if (!ofPrograms(process.memories[memory]) && full[memory]) largest = Math.max(largest, most[source * memories + memory] / full[memory]);
    return largest;
  });
  const order = names.map((_, source) => source).filter(source => share[source] > 0).sort((a, b) => share[b] - share[a]);
  const rank = new Uint8Array(names.length).fill(SOURCES);
  order.slice(0, SOURCES).forEach((source, at) => { rank[source] = at; });
  const atTime = new Map();
  const ofRow = row => {
    if (by === "region") {
      if (!atTime.has(row.t)) atTime.set(row.t, numbers.get(regionName(process, row.t)) ?? -1);
      return atTime.get(row.t);
    }
    return by === "tensor" ? numbers.get(nameOf(0, row.y)) ?? -1 : ofSite[row.f || 0];
  };
  const mostOf = (source, memory) => most[source * memories + memory];
  return { by, names, order, rank, ofLife, ofRow, weights, full, mostOf, rankOfRow: row => { const source = ofRow(row); return source < 0 ? SOURCES : rank[source]; } };
}
function regionName(process, ms) {
  const [region] = regionsAt(process, [ms]);
  return region < 0 ? "no region" : process.regions[region].name;
}

/** The colour of a rank; what has none is grey. */
function sourceColour(rank) {
  if (rank >= SOURCES) return css("--rest");
  return rank < 8 ? css("--c" + rank) : `hsl(${(rank * 137.5 + 20) % 360} ${css("--flame-sat")} ${rank % 2 ? css("--odd") : css("--even")})`;
}

/** For each column of pixels the most that a memory held in it, by rank. */
function stackOf(process, sources, memory, from, to, columns) {
  const history = historyOf(process), { ofLife, weights, rank } = sources;
  const start = stepsUntil(history, from), slices = (to - from) / columns / (history.slice_ms || 1), first = from / (history.slice_ms || 1);
  const best = new Int32Array(columns).fill(-1);
  const memoryOf = history.memories;
  let total = 0;
  for (let step = 0; step < start; step++) {
    const raw = history.life[step], place = history.place[raw < 0 ? ~raw : raw];
    if (memoryOf[place] === memory) total += raw < 0 ? -weights[place] : weights[place];
  }
  let step = start;
  for (let column = 0; column < columns; column++) {
    let most = total, when = step;
    const end = first + (column + 1) * slices;
    for (; step < history.count && history.when[step] < end; step++) {
      const raw = history.life[step], place = history.place[raw < 0 ? ~raw : raw];
      if (memoryOf[place] !== memory) continue;
      total += raw < 0 ? -weights[place] : weights[place];
      if (total > most) { most = total; when = step + 1; }
    }
    best[column] = when;
  }
  const live = new Float64Array(SOURCES + 1), heights = new Float64Array(columns * (SOURCES + 1));
  let at = 0;
  for (let column = 0; column < columns; column++) {
    for (; at < best[column]; at++) {
      const raw = history.life[at], life = raw < 0 ? ~raw : raw, place = history.place[life];
      if (memoryOf[place] === memory) live[rank[ofLife[life]]] += raw < 0 ? -weights[place] : weights[place];
    }
    heights.set(live, column * (SOURCES + 1));
  }
  return { heights, best, columns, from, to };
}
