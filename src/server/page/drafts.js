// Which draft gave each token, and what that makes in tokens per forward and second.

// A function from the logprobs and draft positions of a frame to its tokens as text, each with the
// position of its draft (0: the target's own); null if the frame does not say. A character that is
// cut between tokens shows with the token that completes it.
export function draftTokens() {
  const decoder = new TextDecoder();
  return (entries, positions) => {
    if (!entries || !positions || entries.length !== positions.length) return null;
    return entries.map((entry, i) => ({
      text: decoder.decode(new Uint8Array(entry.bytes), { stream: true }),
      draft: positions[i],
    }));
  };
}

export class Speed {
  #start = 0;
  #tokens = 0;
  #forwards = 0;  // every forward gives one token of the target's own

  addTokens(positions) {
    this.#begin();
    this.#tokens += positions.length;
    this.#forwards += positions.filter((position) => position === 0).length;
  }

  // A frame that does not say which tokens it holds.
  addFrame() { this.#begin(); }

  #begin() { this.#start ||= performance.now(); }

  text() {
    const seconds = (performance.now() - this.#start) / 1000;
    if (!this.#tokens || seconds <= 0) return "";
    const forwards = this.#forwards ? `${(this.#tokens / this.#forwards).toFixed(2)} tokens per forward, ` : "";
    return `${forwards}${(this.#tokens / seconds).toFixed(0)} tokens/s`;
  }
}
