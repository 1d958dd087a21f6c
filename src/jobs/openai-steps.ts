// What is swept for /v1: uploads that were not completed in time, and rows of uploads that nobody asks for any more. Their bytes, and those of
// deleted and expired files, go with the claims and tombstones they are.
import { timestamp } from '../core/clock.ts'
import type { SweepStep } from '../core/sweep-step.ts'
import type { OpenAiStore, OpenAiUpload } from '../meta/openai.ts'
import { countedStep } from './counted-step.ts'

/** How long the answer to a completion can be had again, milliseconds. */
const REMEMBERED = 30 * 86_400_000

/** The first is to run before the step of claims: a part that is given up there goes in the same run. */
export function openAiSteps(meta: OpenAiStore): readonly [SweepStep, SweepStep] {
  const expired: SweepStep<OpenAiUpload> = {
    name: 'openai_uploads',
    kind: 'uploads',
    waitsForBackup: false,
    next: ({ now, limit }) => meta.expiredOpenAiUploads(now, limit),
    clear: ({ id }, { now }) => meta.expireOpenAiUpload(id, now).then(() => true),
    // Its claims are counted where they go.
    count: () => 0,
  }
  const forgotten = countedStep({
    name: 'openai_answers',
    kind: 'leftovers',
    count: ({ time }) => meta.countEndedOpenAiUploads(timestamp(time - REMEMBERED)),
    drop: ({ time, limit }) => meta.pruneOpenAiUploads(timestamp(time - REMEMBERED), limit),
  })
  return [expired, forgotten]
}
