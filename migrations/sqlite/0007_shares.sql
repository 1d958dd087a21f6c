CREATE TABLE `_alyx_share_files` (
	`share_id` text NOT NULL,
	`file_id` text NOT NULL,
	`bucket` text NOT NULL,
	`position` integer NOT NULL,
	`link_epoch` integer NOT NULL,
	`left` integer NOT NULL,
	PRIMARY KEY(`share_id`, `file_id`)
) STRICT;
--> statement-breakpoint
CREATE TABLE `_alyx_shares` (
	`id` text PRIMARY KEY NOT NULL,
	`owner_id` text NOT NULL,
	`operation` text,
	`max_downloads` integer,
	`downloads` integer NOT NULL,
	`note` text,
	`created_at` text NOT NULL,
	`expires_at` text NOT NULL,
	`revoked_at` text
) STRICT;
--> statement-breakpoint
CREATE INDEX `_alyx_shares_owner` ON `_alyx_shares` (`owner_id`,`id`);--> statement-breakpoint
CREATE INDEX `_alyx_shares_expires` ON `_alyx_shares` (`expires_at`);--> statement-breakpoint
CREATE INDEX `_alyx_shares_revoked` ON `_alyx_shares` (`revoked_at`) WHERE revoked_at IS NOT NULL;