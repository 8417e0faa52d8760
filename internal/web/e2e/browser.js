// Opens the interface of a running `argus demo` or `argus serve` in Chromium, for the
// scripts in this folder. ARGUS_URL is the printed link. A run fails on any error in the
// console, any violation of the security policy and any request to another server.
// Without Chromium it is skipped, and says so. ARGUS_SHOTS names a folder for pictures of
// each step.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { chromium } from 'playwright-core'

export const url = process.env.ARGUS_URL
if (!url) {
  console.error('set ARGUS_URL to the link that argus demo or argus serve prints')
  process.exit(2)
}
const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome']
const executablePath = candidates.find((path) => path && existsSync(path))
if (!executablePath) {
  console.log('SKIPPED: no Chromium found; set CHROMIUM to its path')
  process.exit(0)
}
const shots = process.env.ARGUS_SHOTS
if (shots) mkdirSync(shots, { recursive: true })

export const origin = new URL(url).origin
export const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light', timezoneId: 'Europe/Amsterdam' })
export const page = await context.newPage()

const wrong = []
export const expected = []
page.on('console', (m) => {
  if (m.type() === 'error' || m.type() === 'warning') wrong.push(`console: ${m.text()} ${m.location().url ?? ''}`)
})
page.on('pageerror', (e) => wrong.push(`exception: ${e.message}`))
page.on('request', (r) => {
  if (new URL(r.url()).origin !== origin) wrong.push(`request elsewhere: ${r.url()}`)
})
await page.addInitScript(() => {
  document.addEventListener('securitypolicyviolation', (e) => {
    console.error(`policy violated: ${e.violatedDirective} ${e.blockedURI} ${e.sample}`)
  })
})

export async function shot(name, of = page) {
  if (!shots) return
  await of.waitForTimeout(250)
  await of.screenshot({ path: join(shots, `${name}.png`) })
}

export async function step(name, run) {
  try {
    await run()
    console.log(`ok    ${name}`)
  } catch (err) {
    await shot('failure')
    console.log(`FAIL  ${name}`)
    throw err
  }
}

/** total returns the number of all results: messages, and the types that are counted separately. */
export const total = async () => {
  await page.waitForSelector('.columns[aria-busy="false"]')
  const numbers = await page.locator('.counted b').allTextContents()
  return numbers.reduce((sum, n) => sum + Number(n.replaceAll(',', '')), 0)
}

export async function ask(query) {
  await page.fill('#query', query)
  await page.press('#query', 'Enter')
  await page.waitForFunction((q) => (new URLSearchParams(location.search).get('q') ?? '') === q, query)
  await page.waitForTimeout(50)
  await page.waitForSelector('.columns[aria-busy="false"]')
}

/** drive runs the steps of a script. */
export async function drive(steps) {
  try {
    await steps()
    const unexpected = wrong.filter((w) => !expected.some((e) => e.test(w)))
    assert.deepEqual(unexpected, [], 'the browser complained')
    console.log('all well')
  } catch (err) {
    console.error(err instanceof Error ? err.message : err)
    for (const w of wrong) console.error(w)
    process.exitCode = 1
  } finally {
    await browser.close()
  }
}
