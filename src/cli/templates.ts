// The two files that `alyx init` writes.

export const SCHEMA_TEMPLATE = `# What can be stored, and who may do what with it. \`alyx check\` tells what is wrong here, with line and column.
version: 1

buckets:
  # Files of one user, of any type: nobody else sees them.
  files:
    backend: local
    max_file_size: 1GB
    rules:
      create:   auth.id != null
      read:     auth.id == file.owner_id
      download: auth.id == file.owner_id
      update:   auth.id == file.owner_id
      delete:   auth.id == file.owner_id

  # Pictures that everybody may see. The type is taken from the bytes, not from the name.
  avatars:
    backend: local
    max_file_size: 5MB
    allowed_types: [image/png, image/jpeg, image/webp]
    path: "{owner}/{name}"
    cache: public, 1h
    rules:
      create:   auth.id != null
      read:     "true"
      download: "true"
      update:   auth.id == file.owner_id
      delete:   auth.id == file.owner_id
`

export const CONFIG_TEMPLATE = `# Where things run and lie. Every key can be overridden by the environment: server.port is ALYX_SERVER_PORT.
# Paths are relative to this file.
server:
  host: 127.0.0.1
  port: 8080
  public_url: http://localhost:8080

database:
  url: sqlite:data/alyx.db

# \`alyx serve\` needs a secret of at least 32 bytes in ALYX_AUTH_JWT_SECRET, for example from: openssl rand -base64 32
# \`alyx dev\` makes one of its own.
auth:
  admin_roles: [admin]

storage:
  backends:
    local: {type: filesystem, path: data/files}

uploads:
  temp_dir: data/uploads
`
