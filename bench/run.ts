// The benchmark: interleaved rounds of the product and its baseline, medians, ratios and targets. `node bench/run.ts [--quick] [--only NAME] [--durability normal]`
import { writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { codecScenarios } from './codecs.ts'
import { measureMemory, measureStart } from './process-costs.ts'
import { BUILD } from './product.ts'
import { recordScenarios } from './records.ts'
import { s3Scenarios } from './s3.ts'
import { type Scenario, scenariosOf } from './scenarios.ts'
import { type Bench, createBench } from './stage.ts'

interface Result {
  readonly name: string
  readonly unit: string
  readonly against: string
  readonly product: number
  readonly baseline: number | null
  readonly ratio: number | null
  readonly target: string
  readonly pass: boolean
  readonly note: string | null
  readonly rounds: readonly (readonly [number, number])[]
}

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    durability: { type: 'string', default: 'full' },
    rounds: { type: 'string' },
  },
})
if (values.durability !== 'full' && values.durability !== 'normal') throw new Error('--durability is full or normal')
const durability = values.durability
const rounds = Number(values.rounds ?? (values.quick ? 3 : 5))
const big = (values.quick ? 64 : 256) * 1024 * 1024
const wanted = (name: string): boolean => values.only === undefined || values.only.includes(name)

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

async function compare(bench: Bench, scenario: Scenario): Promise<Result> {
  await scenario.prepare?.(bench)
  const pairs: (readonly [number, number])[] = []
  // A first pair warms both sides up and is not counted.
  for (let i = 0; i <= rounds; i++) {
    const tag = `${scenario.name}-${i}`
    const measured = { product: 0, baseline: 0 }
    for (const side of i % 2 ? (['product', 'baseline'] as const) : (['baseline', 'product'] as const))
      measured[side] = await scenario[side](bench, `${tag}${side[0]}`)
    if (i > 0) pairs.push([measured.product, measured.baseline])
  }
  const product = median(pairs.map(([p]) => p))
  const baseline = median(pairs.map(([, b]) => b))
  const ratio = product / baseline
  const { name, unit, against, target } = scenario
  return {
    name,
    unit,
    against,
    product,
    baseline,
    ratio,
    target: `≥ ${target}`,
    pass: ratio >= target,
    note: scenario.note?.() ?? null,
    rounds: pairs,
  }
}

function single(name: string, unit: string, value: number, limit: number): Result {
  return {
    name,
    unit,
    against: '–',
    product: value,
    baseline: null,
    ratio: null,
    target: `< ${limit}`,
    pass: value < limit,
    note: null,
    rounds: [],
  }
}

/** The least and the largest ratio of a single round: where it spans the target, the machine was too busy to tell. */
function spread({ rounds: pairs }: Result): string {
  const ratios = pairs.map(([p, b]) => p / b)
  return ratios.length === 0 ? '–' : `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`
}

function show(results: readonly Result[]): string {
  const number = (value: number | null, digits = 1): string =>
    value === null ? '–' : value.toFixed(value >= 1000 ? 0 : digits)
  const rows = [
    ['scenario', 'unit', 'product', 'baseline', 'ratio', 'target', 'verdict', 'pair ratios', 'against'],
    ...results.map((r) => [
      r.name,
      r.unit,
      number(r.product),
      number(r.baseline),
      number(r.ratio, 2),
      r.target,
      r.pass ? 'pass' : 'FAIL',
      spread(r),
      r.note === null ? r.against : `${r.against}; ${r.note}`,
    ]),
  ]
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const results: Result[] = []
// Ratios of a busy machine mean little: the load before the start is part of the result.
const [load] = loadavg()
process.stderr.write(
  `the product runs from ${BUILD}; load average ${load?.toFixed(1)} on ${cpus().length} processors\n`,
)
const s3 = s3Scenarios(big)
const bench = await createBench(durability)
try {
  const seconds = values.quick ? 2 : 4
  const sizes = { big, seconds }
  const scenarios = [...scenariosOf(sizes), ...codecScenarios(sizes), ...recordScenarios(seconds), ...s3.scenarios]
  for (const scenario of scenarios.filter(({ name }) => wanted(name))) {
    process.stderr.write(`${scenario.name} …\n`)
    results.push(await compare(bench, scenario))
  }
} finally {
  await bench.close()
  await s3.close()
}
if (wanted('start')) {
  const { milliseconds, idle } = await measureStart(rounds)
  results.push(single('cold start', 'ms', median(milliseconds), 300), single('idle memory', 'MiB', median(idle), 90))
}
if (wanted('memory'))
  for (const way of ['put', 'multipart'] as const)
    results.push(single(`memory growth, 4 × ${way}`, 'MiB', await measureMemory(way, big, durability), 64))

process.stdout.write(`${show(results)}\n`)
writeFileSync(
  new URL('./results.json', import.meta.url),
  `${JSON.stringify({ node: process.version, processor: cpus()[0]?.model, processors: cpus().length, memory: totalmem(), product: BUILD, load, quick: values.quick, only: values.only ?? null, durability, rounds, big, results }, null, 2)}\n`,
)
if (results.some(({ pass }) => !pass)) process.exitCode = 1
