// Times with the precision of their source, in UTC or in the reader's zone.

import type { Time } from './api'

export type Zone = 'UTC' | 'local'

export const localZone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'

export const zoneName = (zone: Zone): string => (zone === 'UTC' ? 'UTC' : localZone)

/** utc returns the time in UTC, empty if it is unknown. */
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

/** assumed reports whether the zone of a time is unknown. Such a time is not converted to another zone. */
const assumed = (time: Time | undefined): boolean => typeof time === 'object' && time.zone === 'assumed'

/** day and clock format a time with the precision of its source. */
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

/** clock ends with a question mark if the zone is unknown. */
export function clock(time: Time | undefined, zone: Zone): string {
  const text = utc(time)
  const at = text.indexOf('T')
  if (at < 0) return ''
  const p = parts(new Date(text), assumed(time) ? 'UTC' : zone)
  const minute = `${p.hour}:${p.minute}`
  return (text[at + 6] === ':' ? `${minute}:${p.second}` : minute) + (assumed(time) ? '?' : '')
}

const sources: Record<string, string> = {
  stated: 'stated with the time',
  file: 'stated elsewhere in the file',
  operator: 'stated by the person who ingested it',
  assumed: 'unknown, UTC is assumed',
}

/** source describes how the source states a time. */
export function source(time: Time | undefined): string {
  if (!time) return 'The source states no time.'
  const { utc: text, raw, zone } = typeof time === 'object' ? time : { utc: time, raw: '', zone: '' }
  return `UTC ${text}\nin the source: ${raw || text}\nzone: ${sources[zone || 'stated'] ?? zone}`
}

/** whose names the owner of the clock that a time comes from, unless it is the service. */
export const whose = (time: Time | undefined): string => (typeof time === 'object' && time.clock ? `clock of the ${time.clock}` : '')

/** origin joins source and whose. */
export const origin = (time: Time | undefined): string => [source(time), whose(time)].filter(Boolean).join('\n')
