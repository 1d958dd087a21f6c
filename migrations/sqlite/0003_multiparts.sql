CREATE TABLE `_alyx_multiparts` (
	`backend` text NOT NULL,
	`key` text NOT NULL,
	`upload_id` text NOT NULL,
	`created_at` text NOT NULL,
	PRIMARY KEY(`backend`, `key`, `upload_id`)
) STRICT, WITHOUT ROWID;
