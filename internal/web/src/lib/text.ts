// Text of evidence: cut at byte offsets, made visible, never turned into markup.

export type Segment = { text: string; marked: boolean }

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** segments cuts a text at marks, which are byte offsets into its UTF-8. */
export function segments(text: string, marks: [number, number][] | undefined): Segment[] {
  if (!marks?.length) return [{ text, marked: false }]
  const bytes = encoder.encode(text)
  const out: Segment[] = []
  let at = 0
  for (const [start, end] of marks) {
    if (start > at) out.push({ text: decoder.decode(bytes.subarray(at, start)), marked: false })
    out.push({ text: decoder.decode(bytes.subarray(start, end)), marked: true })
    at = end
  }
  if (at < bytes.length) out.push({ text: decoder.decode(bytes.subarray(at)), marked: false })
  return out
}

/** place splits a query at a problem, whose place is given in bytes of UTF-8. */
export function place(query: string, offset: number, length: number): [string, string, string] {
  const bytes = encoder.encode(query)
  const cut = (from: number, to?: number) => decoder.decode(bytes.subarray(from, to))
  return [cut(0, offset), cut(offset, offset + length), cut(offset + length)]
}

/** fromBase64 decodes a []byte from the API. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
}

/** visible replaces hidden characters, such as control characters and direction marks, with visible ones. */
export const visible = (bytes: Uint8Array): string => unhidden(decoder.decode(bytes))

/** unhidden does the same for text. */
export function unhidden(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b-\u001f]/g, (c) => String.fromCharCode(0x2400 + c.charCodeAt(0)))
    .replace(/[\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, (c) => `⟦U+${hex(c.charCodeAt(0), 4)}⟧`)
}

/** hexdump shows bytes in rows of 16. */
export function hexdump(bytes: Uint8Array, offset: number): string {
  const rows: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)]
    const plain = row.map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '·')).join('')
    rows.push(`${hex(offset + at, 8)}  ${row.map((b) => hex(b, 2)).join(' ').padEnd(47)}  ${plain}`)
  }
  return rows.join('\n')
}

function hex(n: number, digits: number): string {
  return n.toString(16).toUpperCase().padStart(digits, '0')
}

const numbers = new Intl.NumberFormat('en')

export const count = (n: number): string => numbers.format(n)

export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`

export function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`
  if (bytes < 1 << 20) return `${(bytes / 1024).toFixed(1)} KiB`
  if (bytes < 1 << 30) return `${(bytes / (1 << 20)).toFixed(1)} MiB`
  return `${(bytes / (1 << 30)).toFixed(1)} GiB`
}

/** tint returns the number of an account's colour, which is always the same. */
export function tint(account: string): number {
  let sum = 0
  for (const c of account) sum = (sum * 31 + c.codePointAt(0)!) >>> 0
  return sum % 8
}
