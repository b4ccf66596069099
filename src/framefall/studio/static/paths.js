// Where things have been, drawn over a frame: the lesson's fitted parabolas and the studio's tracks.
//
// A path is {frames, places, size, arcs}: in pixels of the clip, `scale` times enlarged; `tail` frames of its past show.

export const INKS = ["#d4145a", "#0b6bd3", "#12813d", "#8a5300"];
const SAID = { birth: "appears", death: "vanishes", reappearance: "comes back", occlusion: "is hidden" };
const STAYS = 5; // frames for which it stays written that something happens
const TAIL = 16;

export function drawPaths(context, paths, frame, scale, tail = Infinity) {
  paths.forEach(({ frames, places, arcs = [], size }, index) => {
    const ink = INKS[index % INKS.length];
    context.strokeStyle = context.fillStyle = ink;
    context.lineWidth = 2;
    for (const { points } of arcs) {
      context.beginPath();
      points.forEach(([x, y], place) =>
        place ? context.lineTo(x * scale, y * scale) : context.moveTo(x * scale, y * scale),
      );
      context.stroke();
    }
    frames.forEach((at, place) => {
      if (at > frame || at <= frame - tail) return;
      const [x, y] = places[place];
      context.beginPath();
      context.arc(x * scale, y * scale, at === frame || tail === Infinity ? 4 : 2, 0, 2 * Math.PI);
      context.fill();
      if (at !== frame) return;
      context.beginPath();
      context.arc(x * scale, y * scale, (size / 2) * scale, 0, 2 * Math.PI);
      context.stroke();
    });
  });
}

// Of a clip as the studio tracks it: `seconds` into it, over a picture `width` wide; what nothing explains is in red.
export function drawTracks(context, { paths, events, fps, width: own }, seconds, width) {
  const [frame, scale] = [Math.floor(seconds * fps), width / own];
  drawPaths(context, paths, frame, scale, TAIL);
  context.font = "600 13px system-ui, sans-serif";
  context.lineWidth = 3;
  for (const { kind, frame: from, path, explained } of events) {
    if (frame < from || frame >= from + STAYS) continue;
    const { frames, places } = paths[path];
    const nearest = frames.reduce(
      (best, at, place) => (Math.abs(at - from) < Math.abs(frames[best] - from) ? place : best),
      0,
    );
    const [x, y] = places[nearest].map((one) => one * scale);
    const words = `${path + 1} ${SAID[kind]}`;
    context.strokeStyle = "#fff";
    context.fillStyle = explained ? "#1b1d22" : "#c00000";
    const left = Math.min(Math.max(x + 8, 2), width - context.measureText(words).width - 2);
    context.strokeText(words, left, Math.max(y - 8, 14));
    context.fillText(words, left, Math.max(y - 8, 14));
  }
}
