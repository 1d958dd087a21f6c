CREATE TABLE `_alyx_sweep_clock` (
	`id` integer PRIMARY KEY NOT NULL,
	`seen_at` text NOT NULL,
	`held_at` text,
	`held_from` text
) STRICT;
