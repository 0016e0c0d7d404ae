// A VS Code in a browser page, told what to do by lines of JSON: { do, … } in, { ok } or { error } out.
// Knows nothing of BudgetAI but what is on the screen.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(process.argv[2] + '/');
const { chromium } = require('playwright-core');

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
});
const page = await browser.newPage({ viewport: { width: 1100, height: 620 } });
// Others may share the processor.
page.setDefaultTimeout(120_000);
// Cells of notebooks lie over the workbench, outside of its parts.
const EDITORS = ':is(.editor-instance, .notebookOverlay)';
const mark = process.platform === 'darwin' ? 'Meta' : 'Control';

async function palette(words) {
  await page.keyboard.press('F1');
  const input = page.locator('.quick-input-widget input.input').first();
  await input.waitFor({ state: 'visible' });
  await input.fill(`>${words}`);
  // Similar titles may be listed above it.
  const title = new RegExp(`^${words.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`);
  await page.locator('.quick-input-list .monaco-list-row .label-name').filter({ hasText: title }).first().click();
}

// Grey text stands in spans, one for each colour, in no order: that of the screen is taken, without empty lines.
// And what stands left of the first of them.
const grey = () =>
  page.evaluate((EDITORS) => {
    const plain = (text) => text.replace(/\u00a0/g, ' ').replace(/\u200b/g, '');
    const outer = (one) => !one.parentElement.closest('span[class*="ghost-text"]');
    const seen = [...document.querySelectorAll(`${EDITORS} span[class*="ghost-text"]`)].filter(outer);
    const lines = new Map();
    for (const one of seen) {
      const { top, left } = one.getBoundingClientRect();
      lines.set(top, [...(lines.get(top) ?? []), { one, left, text: plain(one.textContent) }]);
    }
    const rows = [...lines].sort(([a], [b]) => a - b).map(([, ones]) => ones.sort((a, b) => a.left - b.left));
    const text = rows.map((ones) => ones.map((one) => one.text).join('')).join('\n');
    const first = rows[0]?.[0]?.one;
    if (!first?.closest('.view-line')) {
      return [text, ''];
    }
    const left = document.createRange();
    left.setStart(first.closest('.view-line'), 0);
    left.setEndBefore(first);
    return [text, plain(left.toString())];
  }, EDITORS);

// What the status bar has said since the page was there: some of it stands for a moment only.
const watchStatus = () =>
  page.evaluate(() => {
    const bar = document.querySelector('.statusbar');
    window.said = new Set();
    const look = () => [...bar.querySelectorAll('.statusbar-item')].forEach((one) => window.said.add(one.innerText.trim()));
    new MutationObserver(look).observe(bar, { subtree: true, childList: true, characterData: true });
  });

const actions = {
  goto: ({ url }) => page.goto(url, { waitUntil: 'domcontentloaded' }),
  workbench: async () => {
    await page.waitForSelector('.monaco-workbench .statusbar');
    await watchStatus();
  },
  // By its whole path: this build has no search.
  open: async ({ path, name }) => {
    await page.keyboard.press(`${mark}+p`);
    const input = page.locator('.quick-input-widget input.input').first();
    await input.waitFor({ state: 'visible' });
    await input.fill(path);
    // What was open before is listed first, until the path has been looked at.
    await page.locator('.quick-input-list .monaco-list-row.focused').filter({ hasText: name }).waitFor();
    await page.keyboard.press('Enter');
    await page.locator(`.tab.active[data-resource-name="${name}"]`).waitFor();
    // The first of a notebook is hidden where a text stands as it is printed.
    await page.locator(`${EDITORS} .view-lines`).filter({ visible: true }).first().waitFor();
    await page.keyboard.press(`${mark}+End`);
  },
  type: ({ text }) => page.keyboard.type(text, { delay: 30 }),
  press: ({ key }) => page.keyboard.press(key),
  palette: ({ words }) => palette(words),
  grey,
  said: () => page.evaluate(() => [...window.said]),
  status: () =>
    page.evaluate(() => [...document.querySelectorAll('.statusbar-item')].map((one) => one.innerText).join('\n')),
  rows: () =>
    page.evaluate(() => [...document.querySelectorAll('.quick-input-list .monaco-list-row')].map((one) => one.innerText)),
  // What extensions write behind lines, by decorations: the stylesheet has the words.
  beside: () =>
    page.evaluate(() => {
      const spans = [...document.querySelectorAll('.editor-instance .view-line span[class*="ced-"]')];
      return spans.map((span) => getComputedStyle(span, '::after').content).filter((words) => words.startsWith('"'))
        .map((words) => JSON.parse(words)).map((words) => words.replace(/\u00a0/g, ' '));
    }),
  listed: () =>
    page.evaluate(() => [...document.querySelectorAll('.suggest-widget.visible .monaco-list-row')].map((one) => one.innerText)),
  notes: () =>
    page.evaluate(() => [...document.querySelectorAll('.notification-list-item')].map((one) => one.innerText)),
  bulb: () => page.locator('.codicon[class*="light"][class*="bulb"]').first().click(),
  offered: () =>
    page.evaluate(() => [...document.querySelectorAll('.action-widget .monaco-list-row.action')].map((one) => one.innerText.trim())),
  click: ({ words }) => page.getByText(words).filter({ visible: true }).first().click(),
  // What stands in the field that asks, if there is one.
  asked: () => page.evaluate(() => {
    const widget = document.querySelector('.quick-input-widget');
    return widget && widget.style.display !== 'none' ? widget.querySelector('input.input').value : null;
  }),
  answer: async ({ text }) => {
    await page.locator('.quick-input-widget input.input').first().fill(text);
    await page.keyboard.press('Enter');
  },
  shown: ({ words }) => page.getByText(words).filter({ visible: true }).count().then((number) => number > 0),
  // Pages of extensions are frames in frames.
  framed: async () => {
    const texts = page.frames().map((frame) => frame.evaluate(() => document.body?.innerText ?? '').catch(() => ''));
    return (await Promise.all(texts)).join('\n');
  },
  tab: () => page.evaluate(() => document.querySelector('.tab.active').dataset.resourceName),
  dirty: () => page.evaluate(() => document.querySelector('.tab.active.dirty') !== null),
  shot: ({ file }) => page.screenshot({ path: file }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...more } = JSON.parse(line);
  try {
    const found = await actions[name](more);
    process.stdout.write(JSON.stringify({ ok: typeof found === 'object' && !Array.isArray(found) ? null : found ?? null }) + '\n');
  } catch (error) {
    process.stdout.write(JSON.stringify({ error: String(error).slice(0, 600) }) + '\n');
  }
}
await browser.close();
