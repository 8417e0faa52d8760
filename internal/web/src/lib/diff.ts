// The differences between two texts, word by word.

import type { Segment } from './text'

// A longer comparison would take too long. Instead, everything between the common
// beginning and the common end of the texts is marked.
const mostSteps = 4_000_000

const pieces = (text: string): string[] => text.match(/[\p{L}\p{M}\p{N}]+|\s+|[^]/gu) ?? []

/** differ cuts two texts into pieces and marks those that the other text does not have at the same place. */
export function differ(a: string, b: string): [Segment[], Segment[]] {
  const [x, y] = [pieces(a), pieces(b)]
  let start = 0
  while (start < x.length && start < y.length && x[start] === y[start]) start++
  let [xEnd, yEnd] = [x.length, y.length]
  while (xEnd > start && yEnd > start && x[xEnd - 1] === y[yEnd - 1]) [xEnd, yEnd] = [xEnd - 1, yEnd - 1]
  const [inX, inY] = common(x.slice(start, xEnd), y.slice(start, yEnd))
  return [marked(x, start, inX), marked(y, start, inY)]
}

/** common reports, for each piece of two lists, whether it is in their longest common subsequence. */
function common(x: string[], y: string[]): [boolean[], boolean[]] {
  const [inX, inY] = [new Array<boolean>(x.length).fill(false), new Array<boolean>(y.length).fill(false)]
  if (x.length * y.length > mostSteps) return [inX, inY]
  const width = y.length + 1
  const longest = new Uint32Array((x.length + 1) * width) // common length of x from i on and y from j on
  for (let i = x.length - 1; i >= 0; i--) {
    for (let j = y.length - 1; j >= 0; j--) {
      longest[i * width + j] =
        x[i] === y[j] ? longest[(i + 1) * width + j + 1]! + 1 : Math.max(longest[(i + 1) * width + j]!, longest[i * width + j + 1]!)
    }
  }
  for (let i = 0, j = 0; i < x.length && j < y.length; ) {
    if (x[i] === y[j]) [inX[i++], inY[j++]] = [true, true]
    else if (longest[(i + 1) * width + j]! >= longest[i * width + j + 1]!) i++
    else j++
  }
  return [inX, inY]
}

/** marked joins pieces into segments. From start on, it marks the pieces that differ and the spaces between them. */
function marked(all: string[], start: number, same: boolean[]): Segment[] {
  const out: Segment[] = []
  const differs = (i: number) => same[i - start] === false
  for (const [i, text] of all.entries()) {
    const mark = differs(i) || (/^\s+$/.test(text) && differs(i - 1) && differs(i + 1))
    const last = out.at(-1)
    if (last?.marked === mark) last.text += text
    else out.push({ text, marked: mark })
  }
  return out
}
