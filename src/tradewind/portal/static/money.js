// Money as integers of 10^-9 of a currency unit ("nanos"), with the platform's own rounding rule.
// BigInt throughout: a Number would lose nanos.

const PRICE_UNITS = 1_000_000n;

// The cost of [quantity, nanos per million] lines: summed exactly, rounded half-even once, as the
// gateway does it.
export function rateNanos(lines) {
  const total = lines.reduce((sum, [quantity, price]) => sum + BigInt(quantity) * BigInt(price), 0n);
  const quotient = total / PRICE_UNITS;
  const doubled = (total % PRICE_UNITS) * 2n;
  const isUp = doubled > PRICE_UNITS || (doubled === PRICE_UNITS && quotient % 2n === 1n);
  return isUp ? quotient + 1n : quotient;
}

// An amount to the last nano, with at least two decimals: "$0.00001234", "0.02 CHF".
export function formatNanos(nanos, { symbol, currency }) {
  const digits = BigInt(nanos).toString().padStart(10, "0");
  const fraction = digits.slice(-9).replace(/0+$/, "").padEnd(2, "0");
  const whole = digits.slice(0, -9).replace(/\B(?=(\d{3})+$)/g, ",");
  return symbol ? `${symbol}${whole}.${fraction}` : `${whole}.${fraction}\u00a0${currency}`;
}
