CREATE TABLE `_alyx_spares` (
	`backend` text NOT NULL,
	`key` text NOT NULL,
	`due_at` text NOT NULL,
	`taken` integer NOT NULL,
	PRIMARY KEY(`backend`, `key`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `_alyx_spares_due` ON `_alyx_spares` (`due_at`);--> statement-breakpoint
CREATE INDEX `_alyx_files_backend` ON `_alyx_files` (`bucket`,`backend`,`id`);