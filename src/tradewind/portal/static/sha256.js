// SHA-256 (FIPS 180-4) of a file that is read piece by piece. The browser's own digest takes only
// what is in memory as a whole, and only on pages that came over TLS.

const ROUNDS = 64;
const BLOCK = 64;
// The first 32 bits of the fractional parts of the cube roots of the first 64 primes, and of the
// square roots of the first 8 (sections 4.2.2 and 5.3.3): reckoned, so that no digit is mistyped.
const [K, H] = constants();

export class Sha256 {
  #state = Uint32Array.from(H);
  #words = new Int32Array(ROUNDS);
  #rest = new Uint8Array(BLOCK);
  #restLength = 0;
  #length = 0;

  update(bytes) {
    this.#length += bytes.length;
    let at = 0;
    if (this.#restLength) {
      at = Math.min(BLOCK - this.#restLength, bytes.length);
      this.#rest.set(bytes.subarray(0, at), this.#restLength);
      this.#restLength += at;
      if (this.#restLength < BLOCK) return;
      this.#blocks(this.#rest, 0, BLOCK);
      this.#restLength = 0;
    }
    const end = at + Math.floor((bytes.length - at) / BLOCK) * BLOCK;
    this.#blocks(bytes, at, end);
    this.#rest.set(bytes.subarray(end));
    this.#restLength = bytes.length - end;
  }

  // Returns 64 hexadecimal digits. Nothing may be added afterwards.
  hex() {
    const padded = new Uint8Array(this.#restLength < BLOCK - 8 ? BLOCK : 2 * BLOCK);
    padded.set(this.#rest.subarray(0, this.#restLength));
    padded[this.#restLength] = 0x80;
    const view = new DataView(padded.buffer);
    // In bits; a double holds the length in bytes exactly, its product with 8 as well.
    view.setUint32(padded.length - 8, Math.floor(this.#length / 2 ** 29));
    view.setUint32(padded.length - 4, (this.#length * 8) >>> 0);
    this.#blocks(padded, 0, padded.length);
    return [...this.#state].map((word) => word.toString(16).padStart(8, "0")).join("");
  }

  #blocks(bytes, start, end) {
    const w = this.#words;
    let [h0, h1, h2, h3, h4, h5, h6, h7] = this.#state;
    for (let at = start; at < end; at += BLOCK) {
      for (let i = 0, j = at; i < 16; i += 1, j += 4) {
        w[i] = (bytes[j] << 24) | (bytes[j + 1] << 16) | (bytes[j + 2] << 8) | bytes[j + 3];
      }
      for (let i = 16; i < ROUNDS; i += 1) {
        const x = w[i - 15];
        const y = w[i - 2];
        const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
        const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
        w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
      }
      let a = h0, b = h1, c = h2, d = h3, e = h4, f = h5, g = h6, h = h7; // prettier-ignore
      for (let i = 0; i < ROUNDS; i += 1) {
        const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
        const first = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
        const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
        const second = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
        h = g;
        g = f;
        f = e;
        e = (d + first) | 0;
        d = c;
        c = b;
        b = a;
        a = (first + second) | 0;
      }
      h0 = (h0 + a) | 0;
      h1 = (h1 + b) | 0;
      h2 = (h2 + c) | 0;
      h3 = (h3 + d) | 0;
      h4 = (h4 + e) | 0;
      h5 = (h5 + f) | 0;
      h6 = (h6 + g) | 0;
      h7 = (h7 + h) | 0;
    }
    this.#state.set([h0, h1, h2, h3, h4, h5, h6, h7]);
  }
}

function constants() {
  const primes = [];
  for (let number = 2; primes.length < ROUNDS; number += 1) {
    if (primes.every((prime) => number % prime)) primes.push(number);
  }
  return [
    Int32Array.from(primes, (prime) => Number(fraction(BigInt(prime), 3n))),
    Int32Array.from(primes.slice(0, 8), (prime) => Number(fraction(BigInt(prime), 2n))),
  ];
}

// The first 32 bits behind the point of a root, in whole numbers.
function fraction(prime, degree) {
  const target = prime << (32n * degree);
  let low = 0n;
  let high = 1n << 40n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle ** degree <= target) low = middle;
    else high = middle;
  }
  return BigInt.asIntN(32, low);
}
