CREATE TABLE `_alyx_spool_parts` (
	`upload_id` text NOT NULL,
	`backend` text NOT NULL,
	`key` text NOT NULL,
	`start` integer NOT NULL,
	`end` integer,
	`stored_crc32` integer,
	`sealed` text,
	PRIMARY KEY(`upload_id`, `key`)
) STRICT, WITHOUT ROWID;
