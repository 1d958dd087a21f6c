// The store of a project, opened without serving it: for keys, sweeps and the doctor.
import { type Alyx, createAlyx, loadAlyx } from '../app.ts'
import { type Files, problemsOf, projectOf } from './settings.ts'

/** Runs `work` and closes the store whatever happens. Fails: Stop with every problem of the two files. */
export async function withStore<Result>(
  files: Files & { readonly json?: boolean | undefined },
  work: (alyx: Alyx) => Promise<Result>,
): Promise<Result> {
  const project = projectOf(files)
  const { config, problems } = await loadAlyx(project)
  if (config === null || problems.length > 0) throw problemsOf(problems, files.json)
  // The log goes to stdout, where the output of a tool belongs to whoever reads it.
  const alyx = await createAlyx({ ...project, env: { ...project.env, ALYX_LOGGING_LEVEL: 'silent' }, offline: true })
  try {
    return await work(alyx)
  } finally {
    await alyx.close()
  }
}
