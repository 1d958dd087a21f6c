// The examples, as their README tells to run them: the script in processes that are killed, the page in a real browser.
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { CDPSession, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scratch } from '../client/schema.ts'
import { type Browser, type Site, serveSite, startBrowser, whyNoChromium } from '../support/chromium.ts'
import { seededBytes, sha256 } from '../support/random.ts'
import { PNG } from '../support/samples.ts'
import { startServer, type TestServer } from '../support/server.ts'

const MIB = 1024 * 1024
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = scratch()
afterAll(() => folder.remove())

const why = whyNoChromium()
let server: TestServer
let site: Site | null = null
beforeAll(async () => {
  if (why === null)
    site = await serveSite(join(root, 'examples/browser'), { 'alyx/client': join(root, 'src/client/alyx.ts') })
  server = await startServer({
    schema: readFileSync(join(root, 'schema.yaml'), 'utf8'),
    config: {
      server: { cors: { allowed_origins: site === null ? [] : [site.origin] } },
      uploads: { chunk_size: '1MiB' },
    },
  })
})
afterAll(async () => {
  await site?.close()
  await server?.stop()
})

describe('examples/node/upload.ts', () => {
  it('uploads, goes on after it was killed, and prints a link that works', async () => {
    // As in a project of somebody else, with the sources in place of the package.
    const client = pathToFileURL(join(root, 'src/client/node/alyx.ts')).href
    mkdirSync(join(folder.dir, 'examples/node'), { recursive: true })
    cpSync(join(root, 'generated'), join(folder.dir, 'generated'), { recursive: true })
    for (const name of ['generated/alyx.ts', 'examples/node/upload.ts'])
      writeFileSync(
        join(folder.dir, name),
        readFileSync(join(root, name), 'utf8').replace("'alyx/client'", `'${client}'`),
      )
    const content = seededBytes(20, 8 * MIB)
    const file = join(folder.dir, 'holiday.mp4')
    writeFileSync(file, content)
    const token = await server.token('ada')
    const run = (
      killAt: number,
    ): Promise<{ readonly code: number | null; readonly first: number; readonly stdout: string }> =>
      new Promise((resolve) => {
        const child = spawn(process.execPath, [join(folder.dir, 'examples/node/upload.ts'), file], {
          env: { PATH: process.env.PATH, HOME: folder.dir, ALYX_URL: server.url, ALYX_TOKEN: token },
        })
        let stdout = ''
        let first = -1
        child.stdout.on('data', (part: Buffer) => (stdout += part.toString()))
        child.stderr.on('data', (part: Buffer) => {
          for (const [, told] of part.toString().matchAll(/% {2}(\d+) bytes/g)) {
            if (first <= 0) first = Number(told)
            if (Number(told) >= killAt) child.kill('SIGKILL')
          }
        })
        child.once('close', (code) => resolve({ code, first, stdout }))
      })
    expect((await run(3 * MIB)).code).toBeNull()
    const { code, first, stdout } = await run(Infinity)
    expect(code).toBe(0)
    expect(first).toBeGreaterThanOrEqual(MIB)
    expect(stdout).toContain(sha256(content))
    const url = /http\S+/.exec(stdout)![0]
    expect(sha256(Buffer.from(await (await fetch(url)).arrayBuffer()))).toBe(sha256(content))
  })
})

describe.skipIf(why !== null)(`examples/browser in Chromium${why === null ? '' : `: skipped, ${why}`}`, () => {
  let browser: Browser
  let token: string
  beforeAll(async () => {
    token = await server.token('ada')
    browser = await startBrowser()
  })
  afterAll(async () => {
    await browser?.close()
  })

  /** A page that is connected; what goes wrong in it fails the test. */
  async function open(): Promise<{
    readonly page: Page
    readonly network: CDPSession
    readonly faults: readonly string[]
  }> {
    const page = await browser.context.newPage()
    page.setDefaultTimeout(60_000)
    const faults: string[] = []
    page.on('pageerror', (error) => faults.push(String(error)))
    await page.goto(site!.origin)
    await page.fill('input[name=url]', server.url)
    await page.fill('input[name=token]', token)
    await page.click('text=Connect')
    return { page, network: await browser.context.newCDPSession(page), faults }
  }

  /** Bytes a second towards the server; 0 = as fast as it goes. */
  const throttle = async (network: CDPSession, rate: number): Promise<void> => {
    await network.send('Network.enable')
    await network.send('Network.emulateNetworkConditions', {
      offline: false,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: rate === 0 ? -1 : rate,
    })
  }

  const offsetOf = (path: string): number =>
    server.query<{ offset: number }>('SELECT offset FROM _alyx_uploads WHERE path = ?', path)[0]?.offset ?? -1

  it('the script in the page needs nothing of Node', () => {
    expect(site!.scripts.length).toBeGreaterThan(10_000)
    expect(/(?:from|import|require)\s*\(?\s*["']node:|__vite-browser-external/.test(site!.scripts)).toBe(false)
  })

  it('the client uploads with progress, pauses, goes on after the page was reloaded, and shows the file', async () => {
    const { page, network, faults } = await open()
    const content = seededBytes(21, 12 * MIB)
    const file = join(folder.dir, 'from-page.bin')
    writeFileSync(file, content)
    await throttle(network, 3 * MIB)
    await page.setInputFiles('#file', file)
    const percent = () => page.locator('#progress').evaluate((bar) => (bar as unknown as { value: number }).value)
    await expect.poll(percent).toBeGreaterThan(20)
    await page.click('#pause')
    const shown = await page.textContent('#state')
    const kept = await settled(() => offsetOf('ada/from-page.bin'))
    expect(kept).toBeGreaterThan(0)
    expect(kept).toBeLessThan(content.length)
    expect(await page.textContent('#state')).toBe(shown)
    await page.click('#resume')
    await expect.poll(percent).toBeGreaterThan(40)

    await page.reload()
    await throttle(network, 0)
    const arrived = await settled(() => offsetOf('ada/from-page.bin'))
    const heads: string[] = []
    page.on('request', (request) => heads.push(request.method()))
    await page.setInputFiles('#file', file)
    await page.waitForSelector('#state:has-text("stored")')
    expect(arrived).toBeGreaterThan(kept)
    expect(heads).toContain('HEAD')
    expect(heads).not.toContain('PUT')
    expect(await percent()).toBe(100)
    const id = (await page.textContent('#state'))!.split(' ')[1]
    const rows = server.query<{ id: string; checksum: string }>(
      "SELECT id, checksum FROM _alyx_files WHERE path = 'ada/from-page.bin'",
    )
    expect(rows).toEqual([{ id, checksum: sha256(content) }])
    await page.waitForSelector('#files >> text=from-page.bin')
    expect(faults).toEqual([])
    await page.close()
  })

  it('a small file goes as one request, and its picture is shown by a signed link', async () => {
    const { page, faults } = await open()
    const methods: string[] = []
    page.on('request', (request) => request.url().includes('/api/files/documents') && methods.push(request.method()))
    const file = join(folder.dir, 'dot.png')
    writeFileSync(file, PNG)
    await page.setInputFiles('#file', file)
    await page.waitForSelector('#state:has-text("stored")')
    expect(methods).toContain('PUT')
    expect(methods).not.toContain('PATCH')
    const image = page.locator('#files img[alt="dot.png"]')
    await image.waitFor()
    await expect
      .poll(() => image.evaluate((shown) => (shown as unknown as { naturalWidth: number }).naturalWidth))
      .toBe(1)
    expect(faults).toEqual([])
    await page.close()
  })

  it('where there is no XMLHttpRequest, as in service workers, fetch carries uploads of any size', async () => {
    const page = await browser.context.newPage()
    await page.addInitScript(() => Reflect.deleteProperty(globalThis, 'XMLHttpRequest'))
    await page.goto(site!.origin)
    await page.fill('input[name=url]', server.url)
    await page.fill('input[name=token]', token)
    await page.click('text=Connect')
    for (const size of [1000, 3 * MIB]) {
      const content = seededBytes(23, size)
      const name = `by-fetch-${size}.bin`
      writeFileSync(join(folder.dir, name), content)
      await page.setInputFiles('#file', join(folder.dir, name))
      await page.waitForSelector(`#files >> text=${name}`)
      const rows = server.query('SELECT checksum FROM _alyx_files WHERE path = ?', `ada/${name}`)
      expect(rows).toEqual([{ checksum: sha256(content) }])
    }
    await page.close()
  })

  it('Uppy uploads, pauses and goes on', async () => {
    const { page, network, faults } = await open()
    const content = seededBytes(22, 10 * MIB)
    const file = join(folder.dir, 'by-uppy.bin')
    writeFileSync(file, content)
    await throttle(network, 2 * MIB)
    await page.locator('#uppy input[type=file]').first().setInputFiles(file)
    await page.click('.uppy-StatusBar-actionBtn--upload')
    await page.waitForSelector('.uppy-StatusBar.is-uploading')
    await expect.poll(() => offsetOf('ada/by-uppy.bin')).toBeGreaterThan(0)
    // It shows progress from time to time only, and how far it is once it paused only if it had shown that before.
    await expect.poll(() => page.textContent('.uppy-StatusBar')).toMatch(/[1-9]\d*%/)
    await page.click('.uppy-StatusBar-actionCircleBtn[title="Pause"]')
    await page.waitForSelector('.uppy-StatusBar-actionCircleBtn[title="Resume"]')
    await expect.poll(() => page.textContent('.uppy-StatusBar')).toMatch(/Paused[^%]*\d+%/)
    const kept = await settled(() => offsetOf('ada/by-uppy.bin'))
    expect(kept).toBeLessThan(content.length)
    await throttle(network, 0)
    await page.click('.uppy-StatusBar-actionCircleBtn[title="Resume"]')
    await page.waitForSelector('.uppy-StatusBar.is-complete')
    expect(server.query("SELECT checksum FROM _alyx_files WHERE path = 'ada/by-uppy.bin'")).toEqual([
      { checksum: sha256(content) },
    ])
    await page.waitForSelector('#files >> text=by-uppy.bin')
    expect(faults).toEqual([])
    await page.close()
  })
})

/** The value once it is the same twice, half a second apart: what was on its way when a page stopped has arrived. */
async function settled(read: () => number): Promise<number> {
  let last = read()
  await expect
    .poll(
      () => {
        const before = last
        last = read()
        return last === before
      },
      { interval: 500 },
    )
    .toBe(true)
  return last
}
