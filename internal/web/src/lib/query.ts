// The values that a query requires. The server writes the text of queries (POST
// /api/query).

import type { Narrowed, Value } from './api'

/** demanded reports whether a query requires a value. */
export const demanded = (n: Narrowed | undefined, v: Value): boolean => !!n?.and?.some((o) => o.field === v.field && o.value === v.value)
