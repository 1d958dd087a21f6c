CREATE TABLE `_alyx_encryption_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`check_value` text NOT NULL,
	`created_at` text NOT NULL
) STRICT;
