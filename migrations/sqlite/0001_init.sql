CREATE TABLE `_alyx_api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`name` text,
	`tenant` text,
	`scopes` text NOT NULL,
	`role` text,
	`created_at` text NOT NULL,
	`expires_at` text,
	`revoked_at` text
) STRICT;
--> statement-breakpoint
CREATE UNIQUE INDEX `_alyx_api_keys_hash` ON `_alyx_api_keys` (`hash`);--> statement-breakpoint
CREATE TABLE `_alyx_files` (
	`id` text PRIMARY KEY NOT NULL,
	`bucket` text NOT NULL,
	`name` text NOT NULL,
	`path` text NOT NULL,
	`mime_type` text NOT NULL,
	`size` integer NOT NULL,
	`checksum` text NOT NULL,
	`compressed` integer NOT NULL,
	`compression_type` text,
	`encrypted` integer NOT NULL,
	`original_size` integer,
	`stored_size` integer NOT NULL,
	`stored_crc32` integer,
	`metadata` text NOT NULL,
	`version` integer NOT NULL,
	`owner_id` text,
	`tenant` text,
	`backend` text NOT NULL,
	`key` text NOT NULL,
	`codecs` text NOT NULL,
	`state` text NOT NULL,
	`rules` text,
	`link_epoch` integer NOT NULL,
	`expires_at` text,
	`created_at` text NOT NULL,
	`updated_at` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE UNIQUE INDEX `_alyx_files_path` ON `_alyx_files` (`bucket`,`path`);--> statement-breakpoint
CREATE INDEX `_alyx_files_created` ON `_alyx_files` (`bucket`,`created_at`,`id`);--> statement-breakpoint
CREATE INDEX `_alyx_files_name` ON `_alyx_files` (`bucket`,`name`,`id`);--> statement-breakpoint
CREATE INDEX `_alyx_files_size` ON `_alyx_files` (`bucket`,`size`,`id`);--> statement-breakpoint
CREATE INDEX `_alyx_files_owner_created` ON `_alyx_files` (`bucket`,`owner_id`,`created_at`,`id`) WHERE owner_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `_alyx_files_owner_name` ON `_alyx_files` (`bucket`,`owner_id`,`name`,`id`) WHERE owner_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `_alyx_files_owner_size` ON `_alyx_files` (`bucket`,`owner_id`,`size`,`id`) WHERE owner_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `_alyx_files_expires` ON `_alyx_files` (`expires_at`) WHERE expires_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `_alyx_files_deleting` ON `_alyx_files` (`updated_at`) WHERE state = 'deleting';--> statement-breakpoint
CREATE TABLE `_alyx_leases` (
	`name` text PRIMARY KEY NOT NULL,
	`holder` text NOT NULL,
	`expires_at` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE `_alyx_migrations` (
	`name` text PRIMARY KEY NOT NULL,
	`checksum` text NOT NULL,
	`applied_at` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE `_alyx_uploads` (
	`id` text PRIMARY KEY NOT NULL,
	`bucket` text NOT NULL,
	`filename` text NOT NULL,
	`path` text,
	`size` integer,
	`offset` integer NOT NULL,
	`metadata` text NOT NULL,
	`protocol` text NOT NULL,
	`owner_id` text,
	`tenant` text,
	`backend` text NOT NULL,
	`key` text NOT NULL,
	`checksum` text,
	`rules` text,
	`file_lifetime` integer,
	`reserved` integer NOT NULL,
	`state` text NOT NULL,
	`holder` text,
	`lease_expires_at` text,
	`release_requested` integer NOT NULL,
	`expires_at` text NOT NULL,
	`created_at` text NOT NULL,
	`updated_at` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE UNIQUE INDEX `_alyx_uploads_path` ON `_alyx_uploads` (`bucket`,`path`);--> statement-breakpoint
CREATE INDEX `_alyx_uploads_expires` ON `_alyx_uploads` (`expires_at`);--> statement-breakpoint
CREATE INDEX `_alyx_uploads_holder` ON `_alyx_uploads` (`holder`);--> statement-breakpoint
CREATE INDEX `_alyx_uploads_owner` ON `_alyx_uploads` (`owner_id`,`expires_at`) WHERE state = 'open' AND protocol = 'tus';--> statement-breakpoint
CREATE INDEX `_alyx_uploads_put_lease` ON `_alyx_uploads` (`lease_expires_at`) WHERE protocol = 'put';--> statement-breakpoint
CREATE INDEX `_alyx_uploads_abandoned` ON `_alyx_uploads` (`id`) WHERE state = 'abandoned';--> statement-breakpoint
CREATE TABLE `_alyx_usage` (
	`scope` text PRIMARY KEY NOT NULL,
	`used` integer NOT NULL,
	`reserved` integer NOT NULL,
	`files` integer NOT NULL
) STRICT;
