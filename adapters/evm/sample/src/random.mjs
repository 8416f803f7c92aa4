// A seeded random number generator: the same seed gives the same chain.

import { keccak256, toBytes } from 'viem';

/** Makes a generator of numbers in [0, 1) with helpers on top (mulberry32). */
export function createRandom(seed) {
  let state = Number.parseInt(keccak256(toBytes(seed)).slice(2, 10), 16);

  function next() {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from `low` to `high`, both included. */
  const integer = (low, high) => low + Math.floor(next() * (high - low + 1));
  const chance = (probability) => next() < probability;
  const pick = (list) => list[integer(0, list.length - 1)];

  /** Prefers the front of the list, as a few accounts cause most traffic. */
  const pickSkewed = (list) => list[Math.floor(next() ** 2 * list.length)];

  /** Picks a value from `[weight, value]` pairs. */
  function weighted(pairs) {
    const total = pairs.reduce((sum, [weight]) => sum + weight, 0);
    let left = next() * total;
    for (const [weight, value] of pairs) {
      left -= weight;
      if (left < 0) return value;
    }
    return pairs.at(-1)[1];
  }

  function hex(bytes) {
    let digits = '';
    for (let i = 0; i < bytes; i++) digits += integer(0, 255).toString(16).padStart(2, '0');
    return `0x${digits}`;
  }

  return { integer, chance, pick, pickSkewed, weighted, hex };
}
