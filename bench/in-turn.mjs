/**
 * The order of a round: from the first one alternating between both ends, 0, 1, last, 2, last but one and so on,
 * rotated by one in each round and reversed every other time around. Each contender then has its turn after each of the
 * others equally often (Williams, 1949).
 */
export function inTurn(contenders, round) {
  const count = contenders.length;
  const order = contenders.map((_, place) => {
    const step = place % 2 === 1 ? (place + 1) / 2 : count - place / 2;
    return contenders[(step + round) % count];
  });
  return Math.floor(round / count) % 2 === 0 ? order : order.reverse();
}
