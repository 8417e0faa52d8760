// The names that sources show for accounts and conversations, as far as they
// have been seen. They are the sources' claim: the account stays beside them.

import { SvelteMap } from 'svelte/reactivity'

import type { Hit } from './api'

const names = new SvelteMap<string, string>()

/** learn keeps the names in hits. */
export function learn(hits: Hit[]) {
  for (const { message: m } of hits) {
    if (m.from && m.from_name) names.set(`from ${m.from}`, m.from_name)
    if (m.conversation && m.title) names.set(`in ${m.conversation}`, m.title)
  }
}

/** accountName is what sources call an account, or the account. */
export const accountName = (account: string): string => names.get(`from ${account}`) ?? account

/** conversationName is its title, or the names of its two accounts. */
export function conversationName(conversation: string): string {
  const title = names.get(`in ${conversation}`)
  return title ?? conversation.split('|').map(accountName).join(' · ')
}
