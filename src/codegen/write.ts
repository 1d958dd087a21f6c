// Puts a generated module where a project wants it.
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Replaces the file whole, so that no compiler sees half of it; one that says the same already is left alone. False = it was. */
export async function writeModule(file: string, text: string): Promise<boolean> {
  if (await isWritten(file, text)) return false
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  await mkdir(dirname(file), { recursive: true })
  try {
    await writeFile(draft, text, { flag: 'wx' })
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
  return true
}

/** Whether the file says exactly this. */
export async function isWritten(file: string, text: string): Promise<boolean> {
  return (await readFile(file, 'utf8').catch(() => null)) === text
}
