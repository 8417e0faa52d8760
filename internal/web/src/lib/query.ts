// What a query is narrowed to. The server writes its text (POST /api/query).

import type { Narrowed, Value } from './api'

/** demanded says whether every message of a query has to have a value. */
export const demanded = (n: Narrowed | undefined, v: Value): boolean => !!n?.and?.some((o) => o.field === v.field && o.value === v.value)
