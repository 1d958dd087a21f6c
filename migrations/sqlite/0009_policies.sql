CREATE TABLE `_alyx_storages` (
	`owner_id` text PRIMARY KEY NOT NULL,
	`tier` text,
	`max_storage` integer,
	`max_files_per_field` integer,
	`max_field_bytes` integer,
	`retention_days` integer,
	`transform_limit` integer,
	`transform_used` integer DEFAULT 0 NOT NULL,
	CONSTRAINT "_alyx_storages_max_storage" CHECK(max_storage BETWEEN 0 AND 9007199254740991),
	CONSTRAINT "_alyx_storages_max_files_per_field" CHECK(max_files_per_field BETWEEN 0 AND 9007199254740991),
	CONSTRAINT "_alyx_storages_max_field_bytes" CHECK(max_field_bytes BETWEEN 0 AND 9007199254740991),
	CONSTRAINT "_alyx_storages_retention_days" CHECK(retention_days BETWEEN 1 AND 36500),
	CONSTRAINT "_alyx_storages_transform_limit" CHECK(transform_limit BETWEEN 0 AND 9007199254740991),
	CONSTRAINT "_alyx_storages_transform_used" CHECK(transform_used BETWEEN 0 AND 9007199254740991)
) STRICT;
--> statement-breakpoint
CREATE INDEX `_alyx_storages_tier` ON `_alyx_storages` (`tier`);--> statement-breakpoint
CREATE TABLE `_alyx_transform_months` (
	`month` text PRIMARY KEY NOT NULL,
	`used` integer NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE `_alyx_transforms` (
	`id` text PRIMARY KEY NOT NULL,
	`owner_id` text,
	`month` text NOT NULL,
	`holder` text NOT NULL,
	`lease_expires_at` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX `_alyx_transforms_holder` ON `_alyx_transforms` (`holder`);--> statement-breakpoint
CREATE INDEX `_alyx_transforms_lease` ON `_alyx_transforms` (`lease_expires_at`);--> statement-breakpoint
ALTER TABLE `_alyx_files` ADD `expiry_asked` integer;--> statement-breakpoint
ALTER TABLE `_alyx_uploads` ADD `lifetime_asked` integer;