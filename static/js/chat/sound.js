const NOTES = [660, 880]; // Hz
const LENGTH = 0.12; // s

/** A short sound, once the visitor has done something in the page: browsers allow none before. */
export class Sound {
  /** @type {AudioContext | null} */
  #context = null;

  constructor() {
    const allow = () => (this.#context ??= "AudioContext" in window ? new AudioContext() : null);
    for (const name of ["pointerdown", "keydown"]) addEventListener(name, allow, { once: true });
  }

  play() {
    const context = this.#context;
    if (!context) return;
    NOTES.forEach((frequency, n) => {
      const start = context.currentTime + n * LENGTH;
      const tone = new OscillatorNode(context, { frequency });
      const volume = new GainNode(context, { gain: 0.08 });
      volume.gain.setTargetAtTime(0, start + LENGTH / 2, LENGTH / 4);
      tone.connect(volume).connect(context.destination);
      tone.start(start);
      tone.stop(start + 2 * LENGTH);
    });
  }
}
