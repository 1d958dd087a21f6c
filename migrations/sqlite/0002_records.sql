CREATE TABLE `_alyx_collections` (
	`name` text PRIMARY KEY NOT NULL,
	`definition` text NOT NULL,
	`applied_at` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE `_alyx_file_refs` (
	`file_id` text NOT NULL,
	`collection` text NOT NULL,
	`record_id` text NOT NULL,
	`field` text NOT NULL,
	PRIMARY KEY(`file_id`, `collection`, `record_id`, `field`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `_alyx_file_refs_record` ON `_alyx_file_refs` (`collection`,`record_id`);--> statement-breakpoint
CREATE TABLE `_alyx_project_migrations` (
	`name` text PRIMARY KEY NOT NULL,
	`checksum` text NOT NULL,
	`applied_at` text NOT NULL
) STRICT;
--> statement-breakpoint
ALTER TABLE `_alyx_files` ADD `staged_until` text;--> statement-breakpoint
CREATE INDEX `_alyx_files_staged` ON `_alyx_files` (`staged_until`) WHERE staged_until IS NOT NULL;--> statement-breakpoint
ALTER TABLE `_alyx_uploads` ADD `staging` integer;