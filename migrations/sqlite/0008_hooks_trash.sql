CREATE TABLE `_alyx_outbox` (
	`seq` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`event_id` text NOT NULL,
	`hook` text NOT NULL,
	`type` text NOT NULL,
	`subject` text NOT NULL,
	`body` text NOT NULL,
	`created_at` text NOT NULL,
	`attempts` integer NOT NULL,
	`next_at` text NOT NULL,
	`dead_at` text,
	`last_error` text
) STRICT;
--> statement-breakpoint
CREATE INDEX `_alyx_outbox_due` ON `_alyx_outbox` (`hook`,`next_at`,`seq`) WHERE dead_at IS NULL;--> statement-breakpoint
CREATE INDEX `_alyx_outbox_subject` ON `_alyx_outbox` (`hook`,`subject`,`seq`) WHERE dead_at IS NULL;--> statement-breakpoint
CREATE INDEX `_alyx_outbox_dead` ON `_alyx_outbox` (`dead_at`) WHERE dead_at IS NOT NULL;--> statement-breakpoint
ALTER TABLE `_alyx_files` ADD `hidden_at` text;--> statement-breakpoint
ALTER TABLE `_alyx_files` ADD `hidden_path` text;--> statement-breakpoint
ALTER TABLE `_alyx_files` ADD `hidden_reason` text;--> statement-breakpoint
ALTER TABLE `_alyx_files` ADD `purge_at` text;--> statement-breakpoint
CREATE INDEX `_alyx_files_hidden` ON `_alyx_files` (`bucket`,`state`,`hidden_at`,`id`) WHERE hidden_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `_alyx_files_purge` ON `_alyx_files` (`purge_at`) WHERE purge_at IS NOT NULL;