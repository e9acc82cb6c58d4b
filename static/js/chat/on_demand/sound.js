/** A short sound. Loaded once the visitor has done something in the page: browsers allow none before. */

const NOTE = 587; // Hz
const LENGTH = 0.3; // s
const VOLUME = 0.1;

const context = new AudioContext();

export function play() {
  const { currentTime, destination } = context;
  const tone = new OscillatorNode(context, { frequency: NOTE });
  const volume = new GainNode(context, { gain: VOLUME });
  tone.frequency.setValueAtTime(NOTE * 1.5, currentTime + LENGTH / 2);
  volume.gain.linearRampToValueAtTime(0, currentTime + LENGTH);
  tone.connect(volume).connect(destination);
  tone.start();
  tone.stop(currentTime + LENGTH);
}
