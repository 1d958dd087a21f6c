CREATE TABLE `_alyx_openai_files` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`id` text NOT NULL,
	`file_id` text NOT NULL,
	`account` text NOT NULL,
	`tenant` text,
	`key_id` text NOT NULL,
	`bucket` text NOT NULL,
	`filename` text NOT NULL,
	`bytes` integer NOT NULL,
	`purpose` text NOT NULL,
	`created_at` text NOT NULL,
	`expires_at` text,
	`deleted_at` text,
	`reason` text
) STRICT;
--> statement-breakpoint
CREATE UNIQUE INDEX `_alyx_openai_files_id` ON `_alyx_openai_files` (`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `_alyx_openai_files_file` ON `_alyx_openai_files` (`file_id`);--> statement-breakpoint
CREATE INDEX `_alyx_openai_files_account` ON `_alyx_openai_files` (`account`,`created_at`,`seq`) WHERE deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX `_alyx_openai_files_purpose` ON `_alyx_openai_files` (`account`,`purpose`,`created_at`,`seq`) WHERE deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX `_alyx_openai_files_created` ON `_alyx_openai_files` (`created_at`,`seq`);--> statement-breakpoint
CREATE TABLE `_alyx_openai_parts` (
	`id` text PRIMARY KEY NOT NULL,
	`upload_id` text NOT NULL,
	`claim_id` text NOT NULL,
	`number` integer,
	`size` integer NOT NULL,
	`created_at` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX `_alyx_openai_parts_upload` ON `_alyx_openai_parts` (`upload_id`,`created_at`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `_alyx_openai_parts_number` ON `_alyx_openai_parts` (`upload_id`,`number`) WHERE number IS NOT NULL;--> statement-breakpoint
CREATE TABLE `_alyx_openai_uploads` (
	`id` text PRIMARY KEY NOT NULL,
	`claim_id` text NOT NULL,
	`openai_file_id` text NOT NULL,
	`account` text NOT NULL,
	`tenant` text,
	`key_id` text NOT NULL,
	`bucket` text NOT NULL,
	`filename` text NOT NULL,
	`bytes` integer NOT NULL,
	`purpose` text NOT NULL,
	`mime_type` text NOT NULL,
	`lifetime` integer NOT NULL,
	`status` text NOT NULL,
	`parts_key` text,
	`created_at` text NOT NULL,
	`expires_at` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX `_alyx_openai_uploads_expires` ON `_alyx_openai_uploads` (`expires_at`);--> statement-breakpoint
CREATE INDEX `_alyx_openai_uploads_pending` ON `_alyx_openai_uploads` (`account`,`expires_at`) WHERE status = 'pending';