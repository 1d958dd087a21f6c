// The store of a project, opened without serving it: for keys, sweeps and the doctor.
import { type Alyx, createAlyx, loadAlyx } from '../app.ts'
import { readDevSecret, usableSecret } from './dev-secret.ts'
import { type Files, problemsOf, projectOf } from './settings.ts'

/** Runs `work` and closes the store whatever happens. Fails: Stop with every problem of the two files. */
export async function withStore<Result>(
  files: Files & { readonly json?: boolean | undefined },
  work: (alyx: Alyx) => Promise<Result>,
): Promise<Result> {
  const project = projectOf(files)
  const { config, problems } = await loadAlyx(project)
  if (config === null || problems.length > 0) throw problemsOf(problems, files.json === true)
  const secret = usableSecret(config) === null ? await readDevSecret(project.configFile) : null
  // A secret changes nothing in the store; the one of alyx dev is given so that the project is whole.
  const env = secret === null ? project.env : { ...project.env, ALYX_AUTH_JWT_SECRET: secret }
  const alyx = await createAlyx({ ...project, env: { ALYX_LOGGING_LEVEL: 'warn', ...env } })
  try {
    return await work(alyx)
  } finally {
    await alyx.close()
  }
}
