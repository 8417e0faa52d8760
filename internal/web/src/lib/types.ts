// The words for the type of a message, and its facts as fields.

import type { Facts, Message, Tally } from './api'
import { count, plural } from './text'

// The singular and the plural for types whose word cannot be counted.
const nouns: Record<string, [string, string]> = {
  membership: ['membership change', 'membership changes'],
}

/** typeWord returns the word for a type. */
export const typeWord = (type: string): string => nouns[type]?.[0] ?? type

export type Counted = { type: string; number: string; words: string }

/** counted lists the number of messages, and then the number of each other type. */
export function counted(messages: number, beside: Tally[] = []): Counted[] {
  const all = messages || !beside.length ? [{ value: 'message', count: messages }, ...beside] : beside
  return all.map((c) => ({
    type: c.value,
    number: count(c.count),
    words: plural(c.count, ...(nouns[c.value] ?? [c.value, `${c.value}s`])).slice(count(c.count).length),
  }))
}

/** isSaid reports whether a person said the message, so that it is shown as a bubble. */
export const isSaid = (m: Message): boolean =>
  !!m.from && !m.state?.includes('system') && !['room', 'membership', 'notice', 'reaction'].includes(m.type ?? '')

/** Fact is a field with its values. */
export type Fact = { name: string; values: string[] }

/** factsOf returns the facts of a message as fields, in the words of the interface. */
export function factsOf(facts: Facts | undefined): Fact[] {
  if (!facts) return []
  const { call, contact, room, membership, reaction, location, device, poll, replies } = facts
  const all: [string, (string | undefined)[] | string | undefined][] = [
    ['call', call && [call.video ? 'video' : '', { in: 'incoming', out: 'outgoing' }[call.direction ?? ''] ?? call.direction]],
    ['answered', call?.answered],
    ['lasted', call?.seconds ? duration(call.seconds) : undefined],
    ['in the call', call?.participants],
    ['name', contact?.names],
    ['account', contact?.accounts],
    ['room', room?.name],
    ['topic', room?.topic],
    ['members', room?.members],
    ['action', membership?.action],
    ['members', membership?.members],
    ['new name', membership?.name],
    ['sign', reaction?.sign],
    ['to message', reaction?.to],
    ['removed', reaction?.removed ? 'yes' : undefined],
    ['latitude', location?.latitude],
    ['longitude', location?.longitude],
    ['accuracy', location?.accuracy ? `${location.accuracy} m` : undefined],
    ['source', location?.source],
    ['place', location?.name],
    ['device', device?.name],
    ['model', device?.model],
    ...(device?.identifiers ?? []).map((x): [string, string] => [x.name, x.value]),
    ['question', poll?.question],
    ['answers', poll?.options],
    ['replies', replies ? `${count(replies)}, according to the source` : undefined],
  ]
  return all
    .map(([name, value]) => ({ name, values: [value ?? []].flat().filter((v): v is string => !!v) }))
    .filter((f) => f.values.length)
}

function duration(seconds: number): string {
  const parts = [[Math.floor(seconds / 3600), 'h'], [Math.floor((seconds % 3600) / 60), 'min'], [seconds % 60, 's']] as const
  return parts.filter(([n]) => n).map(([n, unit]) => `${n} ${unit}`).join(' ')
}
