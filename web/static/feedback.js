// Seven outcomes and a soft tick, each with its own rhythm for ear and skin. `feedback(outcome)` is
// the only way to either; tests listen to the event it sends.

// [vibration, ...tones]; a tone is [Hz, start ms, length ms, wave, loudness].
const OUTCOMES = {
  accepted: [[30], [1400, 0, 60]],
  step_done: [[30, 40, 30], [1100, 0, 60], [1500, 80, 60]],
  task_done: [[80], [1000, 0, 70], [1300, 90, 70], [1700, 180, 110]],
  wrong: [[200, 80, 200], [190, 0, 180, "sawtooth", 1], [150, 260, 180, "sawtooth", 1]],
  care: [[60, 60, 60], [700, 0, 90], [1400, 130, 90]],
  stored: [[30], [1400, 0, 60], [500, 110, 25, "square", 0.15]],
  lost: [[400], [600, 0, 190, "triangle"], [420, 200, 190, "triangle"], [260, 400, 350]],
  tick: [[], [500, 0, 20, "square", 0.12]],
};

let audio;

/** Sounds and shakes an outcome. Sound starts with the first touch or key on the page. */
export function feedback(outcome) {
  const [shake, ...tones] = OUTCOMES[outcome] ?? OUTCOMES.care;
  document.dispatchEvent(new CustomEvent("feedback", { detail: outcome }));
  if (shake.length) navigator.vibrate?.(shake);
  try {
    audio ||= new AudioContext();
    audio.resume();
    for (const tone of tones) play(...tone);
  } catch {
    // a device without audio still shakes and shows
  }
}

function play(pitch, start, length, wave = "sine", loudness = 0.5) {
  const from = audio.currentTime + start / 1000;
  const source = audio.createOscillator();
  const gain = audio.createGain();
  source.type = wave;
  source.frequency.value = pitch;
  gain.gain.setValueAtTime(loudness, from);
  gain.gain.setTargetAtTime(0, from + length / 1000 - 0.01, 0.005);
  source.connect(gain).connect(audio.destination);
  source.start(from);
  source.stop(from + length / 1000 + 0.03);
}
