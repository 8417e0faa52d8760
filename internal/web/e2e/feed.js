// Looks at a running `argus demo --feed 2s` while messages arrive:
//
//   ARGUS_URL='http://127.0.0.1:PORT/#token=…' node e2e/feed.js
import assert from 'node:assert/strict'

import { ask, drive, page, shot, step, total, url } from './browser.js'

await drive(async () => {
  await page.goto(url)
  const newest = () => page.locator('.hits .when a').first().getAttribute('href')

  await step('new messages are shown without a reload', async () => {
    const before = await total()
    const first = await newest()
    await page.evaluate(() => (window.sameDocument = true))
    await page.click('button:has-text("Follow")')
    await page.waitForFunction((n) => Number(document.querySelector('.status b').textContent.replaceAll(',', '')) > n, before, { timeout: 60_000 })
    assert.notEqual(await newest(), first)
    assert.match(await page.textContent('.status'), /[\d,]+ new/)
    assert.ok((await page.locator('.hits > li.fresh').count()) > 0)
    assert.equal(await page.evaluate(() => window.sameDocument), true)
    await shot('feed')
    const desk = page.viewportSize()
    await page.setViewportSize({ width: 390, height: 844 })
    await shot('feed-phone')
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, 'it is too wide for a phone')
    await page.setViewportSize(desk)
  })

  await step('it can be searched, and leads to a delivery of its own', async () => {
    const day = (await page.textContent('.hits .day')).trim()
    await ask('')
    await page.locator('.hits .when a').first().click()
    await page.click('role=tab[name="Trace"]')
    await page.waitForSelector('.trace article')
    assert.match(await page.textContent('.trace'), /D-00(1[1-9]|[2-9]\d)/, `the newest message, of ${day}, is of the feed`)
    await shot('feed-trace')
    await page.keyboard.press('Escape')
  })

  await step('a search that finds nothing new stays as it is, and following ends', async () => {
    await ask('Molenpad')
    const found = await total()
    await page.waitForResponse((r) => r.url().endsWith('/api/search') && r.ok())
    assert.equal(await total(), found)
    assert.doesNotMatch(await page.textContent('.status'), /new/)
    await page.click('button:has-text("Follow")')
    let asked = 0
    page.on('request', (r) => r.url().endsWith('/api/search') && asked++)
    await page.waitForTimeout(6000)
    assert.equal(asked, 0)
  })
})
