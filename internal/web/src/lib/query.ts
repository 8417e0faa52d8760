// Changing a query's text by what is clicked.

/** term writes a field and a value that an index counted. */
export function term(field: string, value: string): string {
  const exact = value.startsWith('=') ? '=' : ''
  let v = value.slice(exact.length)
  if (!/^[\p{L}\p{Nd}@_+#][\p{L}\p{Nd}@._+\-#:]*$/u.test(v)) {
    v = `"${v.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
  }
  return `${field}:${exact}${v}`
}

/** has says whether a query holds a term as it stands. */
export const has = (query: string, t: string): boolean => ` ${query} `.includes(` ${t} `)

/** toggle adds a term to a query, or takes it away again. */
export function toggle(query: string, t: string): string {
  if (has(query, t)) return ` ${query} `.replace(` ${t} `, ' ').trim()
  const alternatives = /\bOR\b/.test(query)
  return `${alternatives ? `(${query})` : query.trim()} ${t}`.trim()
}

/** between narrows a query to a time, in place of the one it names. */
export function between(query: string, from: string, to: string): string {
  const range = `sent:${from}..${to}`
  const old = /(^|\s)(sent|on):[^\s()]+/
  if (old.test(query)) return query.replace(old, `$1${range}`)
  return toggle(query, range)
}
