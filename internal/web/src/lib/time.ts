// Times as their source stated them, in UTC or in the reader's zone.

import type { Time } from './api'

export type Zone = 'UTC' | 'local'

export const localZone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'

export const zoneName = (zone: Zone): string => (zone === 'UTC' ? 'UTC' : localZone)

/** utc returns the moment in UTC; empty when it is unknown. */
export function utc(time: Time | undefined): string {
  const text = typeof time === 'object' ? time.utc : (time ?? '')
  return text === 'unknown' ? '' : text
}

const formats = new Map<string, Intl.DateTimeFormat>()

function parts(at: Date, zone: Zone): Record<string, string> {
  const name = zoneName(zone)
  let format = formats.get(name)
  if (!format) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: name, hourCycle: 'h23', weekday: 'short',
      year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
    })
    formats.set(name, format)
  }
  return Object.fromEntries(format.formatToParts(at).map((p) => [p.type, p.value]))
}

/** assumed says whether nobody stated the zone of a clock. Such a time is shown as it stood, and not moved. */
const assumed = (time: Time | undefined): boolean => typeof time === 'object' && time.zone === 'assumed'

/** day and clock write a moment as finely as its source did, and no finer. */
export function day(time: Time | undefined, zone: Zone): string {
  const text = utc(time)
  if (!text.includes('T')) return text || 'no time'
  const p = parts(new Date(text), assumed(time) ? 'UTC' : zone)
  return `${p.year}-${p.month}-${p.day}`
}

export function weekday(time: Time | undefined, zone: Zone): string {
  const text = utc(time)
  if (!text) return ''
  return parts(new Date(text), text.includes('T') && !assumed(time) ? zone : 'UTC').weekday ?? ''
}

/** clock ends in a question mark where nobody stated the zone. */
export function clock(time: Time | undefined, zone: Zone): string {
  const text = utc(time)
  const at = text.indexOf('T')
  if (at < 0) return ''
  const p = parts(new Date(text), assumed(time) ? 'UTC' : zone)
  const minute = `${p.hour}:${p.minute}`
  return (text[at + 6] === ':' ? `${minute}:${p.second}` : minute) + (assumed(time) ? '?' : '')
}

const sources: Record<string, string> = {
  stated: 'the value itself says so',
  file: 'another place of the file says so',
  operator: 'stated by whoever took it in',
  assumed: 'nobody said; UTC was assumed',
}

/** source says what the source states of a time, for those who doubt it. */
export function source(time: Time | undefined): string {
  if (!time) return 'The source states no time.'
  const { utc: text, raw, zone } = typeof time === 'object' ? time : { utc: time, raw: '', zone: '' }
  return `UTC ${text}\nin the source: ${raw || text}\nzone: ${sources[zone || 'stated'] ?? zone}`
}

/** whose says whose clock it was, if not the service's. */
export const whose = (time: Time | undefined): string => (typeof time === 'object' && time.clock ? `clock of the ${time.clock}` : '')

/** origin is source, and whose clock it was. */
export const origin = (time: Time | undefined): string => [source(time), whose(time)].filter(Boolean).join('\n')
