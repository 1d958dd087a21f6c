// What alyx.yml may say but should rarely mean: told at the start, by check and by doctor.
import type { Problem } from '../core/problem.ts'
import { nodeAt, type YamlNode } from '../core/yaml.ts'
import type { Config } from './model.ts'

/** One warning per doubtful value; `root` says where it stands. */
export function configWarnings(config: Config, root: YamlNode): Problem[] {
  const { server, auth, storage } = config
  const found: [path: string, message: string][] = []
  if (isOpenHttp(server.publicUrl))
    found.push(['server.public_url', 'without https, tokens and files can be read on the way'])
  if (!isLocal(server.host) && nodeAt(root, ['server', 'public_url']) === undefined) {
    found.push(['server.host', `others can connect, but links will name ${server.publicUrl}: set server.public_url`])
  }
  if (server.cors.allowedOrigins.includes('*'))
    found.push(['server.cors.allowed_origins', '"*" lets every website call this server'])
  const { jwksUrl, issuer, audience } = auth.jwt
  if (jwksUrl !== null && isOpenHttp(jwksUrl))
    found.push(['auth.jwt.jwks_url', 'without https, keys can be replaced on the way'])
  if (jwksUrl !== null && (issuer === null || audience === null)) {
    found.push(['auth.jwt.jwks_url', 'without issuer and audience, tokens made for other services are accepted'])
  }
  for (const [name, backend] of storage.backends) {
    if (backend.type === 's3' && backend.endpoint !== null && isOpenHttp(backend.endpoint)) {
      found.push([`storage.backends.${name}.endpoint`, 'without https, files can be read on the way'])
    }
  }
  return found.map(([path, message]) => ({ at: nearestTo(root, path.split('.')).at, path, message }))
}

function isOpenHttp(url: string): boolean {
  return url.startsWith('http:') && !isLocal(new URL(url).hostname)
}

function isLocal(host: string): boolean {
  return /^(localhost|.+\.localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i.test(host)
}

function nearestTo(root: YamlNode, path: readonly string[]): YamlNode {
  return nodeAt(root, path) ?? nearestTo(root, path.slice(0, -1))
}
