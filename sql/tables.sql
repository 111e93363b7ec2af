-- Written by make docs from the catalogue, for those who do not import. Custom fields stand in
-- custom_fields and attrs. Needs the server pipedrive; makes the tables in the schema pipedrive.

CREATE SCHEMA IF NOT EXISTS pipedrive;

CREATE FOREIGN TABLE pipedrive.deals (
    "id" bigint NOT NULL,
    "title" text,
    "owner_id" bigint,
    "person_id" bigint,
    "org_id" bigint,
    "pipeline_id" bigint,
    "stage_id" bigint,
    "value" numeric,
    "currency" text,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "stage_change_time" timestamptz,
    "is_deleted" boolean,
    "is_archived" boolean,
    "status" text,
    "probability" numeric,
    "lost_reason" text,
    "visible_to" bigint,
    "close_time" timestamptz,
    "won_time" timestamptz,
    "lost_time" timestamptz,
    "expected_close_date" date,
    "label_ids" bigint[],
    "archive_time" timestamptz,
    "origin" text,
    "origin_id" text,
    "channel" bigint,
    "channel_id" text,
    "source_lead_id" uuid,
    "arr" numeric,
    "mrr" numeric,
    "acv" numeric,
    "next_activity_id" bigint,
    "last_activity_id" bigint,
    "first_won_time" timestamptz,
    "products_count" bigint,
    "files_count" bigint,
    "notes_count" bigint,
    "followers_count" bigint,
    "email_messages_count" bigint,
    "activities_count" bigint,
    "done_activities_count" bigint,
    "undone_activities_count" bigint,
    "participants_count" bigint,
    "last_incoming_mail_time" timestamptz,
    "last_outgoing_mail_time" timestamptz,
    "smart_bcc_email" text,
    "filter_id" bigint,
    "custom_fields" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deals');

CREATE FOREIGN TABLE pipedrive.deleted_deals (
    "id" bigint NOT NULL,
    "title" text,
    "owner_id" bigint,
    "person_id" bigint,
    "org_id" bigint,
    "pipeline_id" bigint,
    "stage_id" bigint,
    "value" numeric,
    "currency" text,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "stage_change_time" timestamptz,
    "is_deleted" boolean,
    "is_archived" boolean,
    "probability" numeric,
    "lost_reason" text,
    "visible_to" bigint,
    "close_time" timestamptz,
    "won_time" timestamptz,
    "lost_time" timestamptz,
    "expected_close_date" date,
    "label_ids" bigint[],
    "archive_time" timestamptz,
    "origin" text,
    "origin_id" text,
    "channel" bigint,
    "channel_id" text,
    "source_lead_id" uuid,
    "arr" numeric,
    "mrr" numeric,
    "acv" numeric,
    "next_activity_id" bigint,
    "last_activity_id" bigint,
    "first_won_time" timestamptz,
    "products_count" bigint,
    "files_count" bigint,
    "notes_count" bigint,
    "followers_count" bigint,
    "email_messages_count" bigint,
    "activities_count" bigint,
    "done_activities_count" bigint,
    "undone_activities_count" bigint,
    "participants_count" bigint,
    "last_incoming_mail_time" timestamptz,
    "last_outgoing_mail_time" timestamptz,
    "smart_bcc_email" text,
    "custom_fields" jsonb,
    "status" text,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deleted_deals');

CREATE FOREIGN TABLE pipedrive.pipelines (
    "id" bigint NOT NULL,
    "name" text,
    "order_nr" bigint,
    "is_deleted" boolean,
    "is_deal_probability_enabled" boolean,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'pipelines');

CREATE FOREIGN TABLE pipedrive.stages (
    "id" bigint NOT NULL,
    "order_nr" bigint,
    "name" text,
    "is_deleted" boolean,
    "deal_probability" bigint,
    "pipeline_id" bigint,
    "is_deal_rot_enabled" boolean,
    "days_to_rotten" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'stages');

CREATE FOREIGN TABLE pipedrive.deal_products (
    "id" bigint NOT NULL,
    "deal_id" bigint NOT NULL,
    "sum" numeric,
    "tax" numeric,
    "name" text,
    "product_id" bigint,
    "product_variation_id" bigint,
    "order_nr" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "comments" text,
    "currency" text,
    "discount" numeric,
    "discount_type" text,
    "quantity" numeric,
    "item_price" numeric,
    "tax_method" text,
    "is_enabled" boolean,
    "billing_frequency" text,
    "billing_frequency_cycles" bigint,
    "billing_start_date" date,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_products');

CREATE FOREIGN TABLE pipedrive.deal_installments (
    "id" bigint NOT NULL,
    "deal_id" bigint NOT NULL,
    "amount" numeric,
    "billing_date" date,
    "description" text,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_installments');

CREATE FOREIGN TABLE pipedrive.deal_discounts (
    "id" uuid NOT NULL,
    "deal_id" bigint NOT NULL,
    "type" text,
    "amount" numeric,
    "description" text,
    "created_at" timestamptz,
    "created_by" bigint,
    "updated_at" timestamptz,
    "updated_by" bigint,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_discounts');

CREATE FOREIGN TABLE pipedrive.persons (
    "id" bigint NOT NULL,
    "name" text,
    "first_name" text,
    "last_name" text,
    "owner_id" bigint,
    "org_id" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "emails" jsonb,
    "phones" jsonb,
    "is_deleted" boolean,
    "visible_to" bigint,
    "label_ids" bigint[],
    "picture_id" bigint,
    "postal_address" jsonb,
    "notes" text,
    "im" jsonb,
    "birthday" date,
    "job_title" text,
    "next_activity_id" bigint,
    "last_activity_id" bigint,
    "open_deals_count" bigint,
    "related_open_deals_count" bigint,
    "closed_deals_count" bigint,
    "related_closed_deals_count" bigint,
    "participant_open_deals_count" bigint,
    "participant_closed_deals_count" bigint,
    "email_messages_count" bigint,
    "activities_count" bigint,
    "done_activities_count" bigint,
    "undone_activities_count" bigint,
    "files_count" bigint,
    "notes_count" bigint,
    "followers_count" bigint,
    "won_deals_count" bigint,
    "related_won_deals_count" bigint,
    "lost_deals_count" bigint,
    "related_lost_deals_count" bigint,
    "last_incoming_mail_time" timestamptz,
    "last_outgoing_mail_time" timestamptz,
    "marketing_status" text,
    "doi_status" text,
    "smart_bcc_email" text,
    "filter_id" bigint,
    "custom_fields" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'persons');

CREATE FOREIGN TABLE pipedrive.organizations (
    "id" bigint NOT NULL,
    "name" text,
    "owner_id" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "is_deleted" boolean,
    "visible_to" bigint,
    "address" jsonb,
    "label_ids" bigint[],
    "website" text,
    "linkedin" text,
    "industry" bigint,
    "annual_revenue" bigint,
    "employee_count" bigint,
    "next_activity_id" bigint,
    "last_activity_id" bigint,
    "open_deals_count" bigint,
    "related_open_deals_count" bigint,
    "closed_deals_count" bigint,
    "related_closed_deals_count" bigint,
    "email_messages_count" bigint,
    "people_count" bigint,
    "activities_count" bigint,
    "done_activities_count" bigint,
    "undone_activities_count" bigint,
    "files_count" bigint,
    "notes_count" bigint,
    "followers_count" bigint,
    "won_deals_count" bigint,
    "related_won_deals_count" bigint,
    "lost_deals_count" bigint,
    "related_lost_deals_count" bigint,
    "smart_bcc_email" text,
    "filter_id" bigint,
    "custom_fields" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'organizations');

CREATE FOREIGN TABLE pipedrive.deal_followers (
    "deal_id" bigint NOT NULL,
    "user_id" bigint NOT NULL,
    "add_time" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_followers');

CREATE FOREIGN TABLE pipedrive.person_followers (
    "person_id" bigint NOT NULL,
    "user_id" bigint NOT NULL,
    "add_time" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'person_followers');

CREATE FOREIGN TABLE pipedrive.organization_followers (
    "org_id" bigint NOT NULL,
    "user_id" bigint NOT NULL,
    "add_time" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'organization_followers');

CREATE FOREIGN TABLE pipedrive.product_followers (
    "product_id" bigint NOT NULL,
    "user_id" bigint NOT NULL,
    "add_time" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'product_followers');

CREATE FOREIGN TABLE pipedrive.user_followers (
    "user_id" bigint NOT NULL,
    "follower_user_id" bigint NOT NULL,
    "add_time" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'user_followers');

CREATE FOREIGN TABLE pipedrive.deal_participants (
    "id" bigint NOT NULL,
    "deal_id" bigint NOT NULL,
    "person_id" bigint,
    "add_time" timestamptz,
    "active_flag" boolean,
    "related_item_data" jsonb,
    "person" jsonb,
    "added_by_user_id" bigint,
    "related_item_type" text,
    "related_item_id" bigint,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_participants');

CREATE FOREIGN TABLE pipedrive.deal_persons (
    "deal_id" bigint NOT NULL,
    "id" bigint NOT NULL,
    "name" text,
    "first_name" text,
    "last_name" text,
    "owner_id" bigint,
    "org_id" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "emails" jsonb,
    "phones" jsonb,
    "is_deleted" boolean,
    "visible_to" bigint,
    "label_ids" bigint[],
    "picture_id" bigint,
    "postal_address" jsonb,
    "notes" text,
    "im" jsonb,
    "birthday" date,
    "job_title" text,
    "next_activity_id" bigint,
    "last_activity_id" bigint,
    "open_deals_count" bigint,
    "related_open_deals_count" bigint,
    "closed_deals_count" bigint,
    "related_closed_deals_count" bigint,
    "participant_open_deals_count" bigint,
    "participant_closed_deals_count" bigint,
    "email_messages_count" bigint,
    "activities_count" bigint,
    "done_activities_count" bigint,
    "undone_activities_count" bigint,
    "files_count" bigint,
    "notes_count" bigint,
    "followers_count" bigint,
    "won_deals_count" bigint,
    "related_won_deals_count" bigint,
    "lost_deals_count" bigint,
    "related_lost_deals_count" bigint,
    "last_incoming_mail_time" timestamptz,
    "last_outgoing_mail_time" timestamptz,
    "marketing_status" text,
    "doi_status" text,
    "smart_bcc_email" text,
    "custom_fields" jsonb,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_persons');

CREATE FOREIGN TABLE pipedrive.organization_persons (
    "id" bigint NOT NULL,
    "name" text,
    "first_name" text,
    "last_name" text,
    "owner_id" bigint,
    "org_id" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "emails" jsonb,
    "phones" jsonb,
    "is_deleted" boolean,
    "visible_to" bigint,
    "label_ids" bigint[],
    "picture_id" bigint,
    "postal_address" jsonb,
    "notes" text,
    "im" jsonb,
    "birthday" date,
    "job_title" text,
    "next_activity_id" bigint,
    "last_activity_id" bigint,
    "open_deals_count" bigint,
    "related_open_deals_count" bigint,
    "closed_deals_count" bigint,
    "related_closed_deals_count" bigint,
    "participant_open_deals_count" bigint,
    "participant_closed_deals_count" bigint,
    "email_messages_count" bigint,
    "activities_count" bigint,
    "done_activities_count" bigint,
    "undone_activities_count" bigint,
    "files_count" bigint,
    "notes_count" bigint,
    "followers_count" bigint,
    "won_deals_count" bigint,
    "related_won_deals_count" bigint,
    "lost_deals_count" bigint,
    "related_lost_deals_count" bigint,
    "last_incoming_mail_time" timestamptz,
    "last_outgoing_mail_time" timestamptz,
    "marketing_status" text,
    "doi_status" text,
    "smart_bcc_email" text,
    "custom_fields" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'organization_persons');

CREATE FOREIGN TABLE pipedrive.organization_relationships (
    "id" bigint NOT NULL,
    "org_id" bigint NOT NULL,
    "type" text,
    "rel_owner_org_id" bigint,
    "rel_linked_org_id" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "active_flag" boolean,
    "calculated_type" text,
    "calculated_related_org_id" bigint,
    "related_organization_name" text,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'organization_relationships');

CREATE FOREIGN TABLE pipedrive.activities (
    "id" bigint NOT NULL,
    "subject" text,
    "type" text,
    "owner_id" bigint,
    "creator_user_id" bigint,
    "is_deleted" boolean,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "deal_id" bigint,
    "lead_id" uuid,
    "person_id" bigint,
    "org_id" bigint,
    "project_id" bigint,
    "due_date" date,
    "due_time" time,
    "duration" interval,
    "busy" boolean,
    "done" boolean,
    "marked_as_done_time" timestamptz,
    "location" jsonb,
    "participants" jsonb,
    "attendees" jsonb,
    "conference_meeting_client" text,
    "conference_meeting_url" text,
    "conference_meeting_id" text,
    "public_description" text,
    "priority" bigint,
    "note" text,
    "outcome" bigint,
    "filter_id" bigint,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'activities');

CREATE FOREIGN TABLE pipedrive.activity_types (
    "id" bigint NOT NULL,
    "name" text,
    "icon_key" text,
    "color" text,
    "order_nr" bigint,
    "key_string" text,
    "active_flag" boolean,
    "is_custom_flag" boolean,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'activity_types');

CREATE FOREIGN TABLE pipedrive.products (
    "id" bigint NOT NULL,
    "name" text,
    "code" text,
    "unit" text,
    "tax" numeric,
    "is_deleted" boolean,
    "is_linkable" boolean,
    "visible_to" bigint,
    "owner_id" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "description" text,
    "category" text,
    "billing_frequency" text,
    "billing_frequency_cycles" bigint,
    "prices" jsonb,
    "filter_id" bigint,
    "custom_fields" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'products');

CREATE FOREIGN TABLE pipedrive.product_variations (
    "id" bigint NOT NULL,
    "product_id" bigint NOT NULL,
    "name" text,
    "prices" jsonb,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'product_variations');

CREATE FOREIGN TABLE pipedrive.leads (
    "id" uuid NOT NULL,
    "title" text,
    "owner_id" bigint,
    "creator_id" bigint,
    "label_ids" uuid[],
    "person_id" bigint,
    "organization_id" bigint,
    "source_name" text,
    "origin" text,
    "origin_id" text,
    "channel" bigint,
    "channel_id" text,
    "source_deal_id" bigint,
    "is_archived" boolean,
    "was_seen" boolean,
    "value" jsonb,
    "expected_close_date" date,
    "next_activity_id" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "visible_to" bigint,
    "cc_email" text,
    "filter_id" bigint,
    "custom_fields" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'leads');

CREATE FOREIGN TABLE pipedrive.lead_labels (
    "id" uuid NOT NULL,
    "name" text,
    "color" text,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'lead_labels');

CREATE FOREIGN TABLE pipedrive.lead_sources (
    "name" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'lead_sources');

CREATE FOREIGN TABLE pipedrive.notes (
    "id" bigint NOT NULL,
    "active_flag" boolean,
    "add_time" timestamptz,
    "content" text,
    "lead_id" uuid,
    "deal_id" bigint,
    "person_id" bigint,
    "org_id" bigint,
    "project_id" bigint,
    "task_id" bigint,
    "user_id" bigint,
    "last_update_user_id" bigint,
    "update_time" timestamptz,
    "pinned_to_lead_flag" boolean,
    "pinned_to_deal_flag" boolean,
    "pinned_to_organization_flag" boolean,
    "pinned_to_person_flag" boolean,
    "pinned_to_project_flag" boolean,
    "pinned_to_task_flag" boolean,
    "deal" jsonb,
    "organization" jsonb,
    "person" jsonb,
    "project" jsonb,
    "task" jsonb,
    "user" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'notes');

CREATE FOREIGN TABLE pipedrive.note_comments (
    "note_id" bigint NOT NULL,
    "uuid" uuid NOT NULL,
    "active_flag" boolean,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "content" text,
    "object_id" bigint,
    "object_type" text,
    "user_id" bigint,
    "updater_id" bigint,
    "company_id" bigint,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'note_comments');

CREATE FOREIGN TABLE pipedrive.files (
    "id" bigint NOT NULL,
    "user_id" bigint,
    "deal_id" bigint,
    "person_id" bigint,
    "org_id" bigint,
    "product_id" bigint,
    "activity_id" bigint,
    "lead_id" uuid,
    "project_id" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "file_name" text,
    "file_type" text,
    "file_size" bigint,
    "active_flag" boolean,
    "inline_flag" boolean,
    "remote_location" text,
    "remote_id" text,
    "cid" text,
    "s3_bucket" text,
    "mail_message_id" bigint,
    "mail_template_id" text,
    "deal_name" text,
    "person_name" text,
    "org_name" text,
    "product_name" text,
    "lead_name" text,
    "project_name" text,
    "url" text,
    "name" text,
    "description" text,
    "item_type" text,
    "item_id" bigint,
    "content" bytea,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'files');

CREATE FOREIGN TABLE pipedrive.deal_files (
    "deal_id" bigint NOT NULL,
    "id" bigint NOT NULL,
    "user_id" bigint,
    "person_id" bigint,
    "org_id" bigint,
    "product_id" bigint,
    "activity_id" bigint,
    "lead_id" uuid,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "file_name" text,
    "file_size" bigint,
    "active_flag" boolean,
    "inline_flag" boolean,
    "remote_location" text,
    "remote_id" text,
    "cid" text,
    "s3_bucket" text,
    "mail_message_id" bigint,
    "mail_template_id" text,
    "deal_name" text,
    "person_name" text,
    "org_name" text,
    "product_name" text,
    "lead_name" text,
    "url" text,
    "name" text,
    "description" text,
    "content" bytea,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_files');

CREATE FOREIGN TABLE pipedrive.person_files (
    "person_id" bigint NOT NULL,
    "id" bigint NOT NULL,
    "user_id" bigint,
    "deal_id" bigint,
    "org_id" bigint,
    "product_id" bigint,
    "activity_id" bigint,
    "lead_id" uuid,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "file_name" text,
    "file_size" bigint,
    "active_flag" boolean,
    "inline_flag" boolean,
    "remote_location" text,
    "remote_id" text,
    "cid" text,
    "s3_bucket" text,
    "mail_message_id" bigint,
    "mail_template_id" text,
    "deal_name" text,
    "person_name" text,
    "org_name" text,
    "product_name" text,
    "lead_name" text,
    "url" text,
    "name" text,
    "description" text,
    "content" bytea,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'person_files');

CREATE FOREIGN TABLE pipedrive.organization_files (
    "org_id" bigint NOT NULL,
    "id" bigint NOT NULL,
    "user_id" bigint,
    "deal_id" bigint,
    "person_id" bigint,
    "product_id" bigint,
    "activity_id" bigint,
    "lead_id" uuid,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "file_name" text,
    "file_size" bigint,
    "active_flag" boolean,
    "inline_flag" boolean,
    "remote_location" text,
    "remote_id" text,
    "cid" text,
    "s3_bucket" text,
    "mail_message_id" bigint,
    "mail_template_id" text,
    "deal_name" text,
    "person_name" text,
    "org_name" text,
    "product_name" text,
    "lead_name" text,
    "url" text,
    "name" text,
    "description" text,
    "content" bytea,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'organization_files');

CREATE FOREIGN TABLE pipedrive.product_files (
    "product_id" bigint NOT NULL,
    "id" bigint NOT NULL,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "file_name" text,
    "file_size" bigint,
    "active_flag" boolean,
    "inline_flag" boolean,
    "remote_location" text,
    "remote_id" text,
    "s3_bucket" text,
    "product_name" text,
    "url" text,
    "name" text,
    "description" text,
    "content" bytea,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'product_files');

CREATE FOREIGN TABLE pipedrive.product_images (
    "product_id" bigint NOT NULL,
    "id" bigint NOT NULL,
    "company_id" text,
    "public_url" text,
    "add_time" timestamptz,
    "mime_type" text,
    "name" text,
    "content" bytea,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'product_images');

CREATE FOREIGN TABLE pipedrive.person_pictures (
    "person_id" bigint NOT NULL,
    "id" bigint NOT NULL,
    "item_type" text,
    "item_id" bigint,
    "added_by_user_id" bigint,
    "active_flag" boolean,
    "file_size" bigint,
    "pictures" jsonb,
    "content" bytea,
    "crop_x" bigint,
    "crop_y" bigint,
    "crop_width" bigint,
    "crop_height" bigint,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'person_pictures');

CREATE FOREIGN TABLE pipedrive.call_logs (
    "id" text NOT NULL,
    "user_id" bigint,
    "activity_id" bigint,
    "subject" text,
    "duration" bigint,
    "outcome" text,
    "from_phone_number" text,
    "to_phone_number" text,
    "start_time" timestamptz,
    "end_time" timestamptz,
    "deal_id" bigint,
    "person_id" bigint,
    "org_id" bigint,
    "lead_id" uuid,
    "note" text,
    "has_recording" boolean,
    "company_id" bigint,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'call_logs');

CREATE FOREIGN TABLE pipedrive.mail_threads_inbox (
    "id" bigint NOT NULL,
    "account_id" text,
    "user_id" bigint,
    "subject" text,
    "snippet" text,
    "mail_tracking_status" text,
    "mail_link_tracking_enabled_flag" boolean,
    "synced_flag" boolean,
    "deleted_flag" boolean,
    "smart_bcc_flag" boolean,
    "has_attachments_flag" boolean,
    "has_inline_attachments_flag" boolean,
    "has_real_attachments_flag" boolean,
    "read_flag" boolean,
    "parties" jsonb,
    "drafts_parties" jsonb,
    "folders" text[],
    "version" bigint,
    "snippet_draft" text,
    "snippet_sent" text,
    "message_count" bigint,
    "has_draft_flag" boolean,
    "has_sent_flag" boolean,
    "archived_flag" boolean,
    "shared_flag" boolean,
    "external_deleted_flag" boolean,
    "first_message_to_me_flag" boolean,
    "last_message_timestamp" timestamptz,
    "first_message_timestamp" timestamptz,
    "last_message_sent_timestamp" timestamptz,
    "last_message_received_timestamp" timestamptz,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "deal_id" bigint,
    "deal_status" text,
    "lead_id" uuid,
    "all_messages_sent_flag" boolean,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'mail_threads_inbox');

CREATE FOREIGN TABLE pipedrive.mail_threads_drafts (
    "id" bigint NOT NULL,
    "account_id" text,
    "user_id" bigint,
    "subject" text,
    "snippet" text,
    "mail_tracking_status" text,
    "mail_link_tracking_enabled_flag" boolean,
    "synced_flag" boolean,
    "deleted_flag" boolean,
    "smart_bcc_flag" boolean,
    "has_attachments_flag" boolean,
    "has_inline_attachments_flag" boolean,
    "has_real_attachments_flag" boolean,
    "read_flag" boolean,
    "parties" jsonb,
    "drafts_parties" jsonb,
    "folders" text[],
    "version" bigint,
    "snippet_draft" text,
    "snippet_sent" text,
    "message_count" bigint,
    "has_draft_flag" boolean,
    "has_sent_flag" boolean,
    "archived_flag" boolean,
    "shared_flag" boolean,
    "external_deleted_flag" boolean,
    "first_message_to_me_flag" boolean,
    "last_message_timestamp" timestamptz,
    "first_message_timestamp" timestamptz,
    "last_message_sent_timestamp" timestamptz,
    "last_message_received_timestamp" timestamptz,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "deal_id" bigint,
    "deal_status" text,
    "lead_id" uuid,
    "all_messages_sent_flag" boolean,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'mail_threads_drafts');

CREATE FOREIGN TABLE pipedrive.mail_threads_sent (
    "id" bigint NOT NULL,
    "account_id" text,
    "user_id" bigint,
    "subject" text,
    "snippet" text,
    "mail_tracking_status" text,
    "mail_link_tracking_enabled_flag" boolean,
    "synced_flag" boolean,
    "deleted_flag" boolean,
    "smart_bcc_flag" boolean,
    "has_attachments_flag" boolean,
    "has_inline_attachments_flag" boolean,
    "has_real_attachments_flag" boolean,
    "read_flag" boolean,
    "parties" jsonb,
    "drafts_parties" jsonb,
    "folders" text[],
    "version" bigint,
    "snippet_draft" text,
    "snippet_sent" text,
    "message_count" bigint,
    "has_draft_flag" boolean,
    "has_sent_flag" boolean,
    "archived_flag" boolean,
    "shared_flag" boolean,
    "external_deleted_flag" boolean,
    "first_message_to_me_flag" boolean,
    "last_message_timestamp" timestamptz,
    "first_message_timestamp" timestamptz,
    "last_message_sent_timestamp" timestamptz,
    "last_message_received_timestamp" timestamptz,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "deal_id" bigint,
    "deal_status" text,
    "lead_id" uuid,
    "all_messages_sent_flag" boolean,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'mail_threads_sent');

CREATE FOREIGN TABLE pipedrive.mail_threads_archive (
    "id" bigint NOT NULL,
    "account_id" text,
    "user_id" bigint,
    "subject" text,
    "snippet" text,
    "mail_tracking_status" text,
    "mail_link_tracking_enabled_flag" boolean,
    "synced_flag" boolean,
    "deleted_flag" boolean,
    "smart_bcc_flag" boolean,
    "has_attachments_flag" boolean,
    "has_inline_attachments_flag" boolean,
    "has_real_attachments_flag" boolean,
    "read_flag" boolean,
    "parties" jsonb,
    "drafts_parties" jsonb,
    "folders" text[],
    "version" bigint,
    "snippet_draft" text,
    "snippet_sent" text,
    "message_count" bigint,
    "has_draft_flag" boolean,
    "has_sent_flag" boolean,
    "archived_flag" boolean,
    "shared_flag" boolean,
    "external_deleted_flag" boolean,
    "first_message_to_me_flag" boolean,
    "last_message_timestamp" timestamptz,
    "first_message_timestamp" timestamptz,
    "last_message_sent_timestamp" timestamptz,
    "last_message_received_timestamp" timestamptz,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "deal_id" bigint,
    "deal_status" text,
    "lead_id" uuid,
    "all_messages_sent_flag" boolean,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'mail_threads_archive');

CREATE FOREIGN TABLE pipedrive.mail_messages_inbox (
    "id" bigint NOT NULL,
    "from" jsonb,
    "to" jsonb,
    "cc" jsonb,
    "bcc" jsonb,
    "body_url" text,
    "account_id" text,
    "user_id" bigint,
    "subject" text,
    "snippet" text,
    "mail_tracking_status" text,
    "mail_link_tracking_enabled_flag" boolean,
    "synced_flag" boolean,
    "deleted_flag" boolean,
    "smart_bcc_flag" boolean,
    "has_attachments_flag" boolean,
    "has_inline_attachments_flag" boolean,
    "has_real_attachments_flag" boolean,
    "read_flag" boolean,
    "draft" text,
    "has_body_flag" boolean,
    "sent_flag" boolean,
    "sent_from_pipedrive_flag" boolean,
    "message_time" timestamptz,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "mail_thread_id" bigint NOT NULL,
    "body" text,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'mail_messages_inbox');

CREATE FOREIGN TABLE pipedrive.mail_messages_drafts (
    "id" bigint NOT NULL,
    "from" jsonb,
    "to" jsonb,
    "cc" jsonb,
    "bcc" jsonb,
    "body_url" text,
    "account_id" text,
    "user_id" bigint,
    "subject" text,
    "snippet" text,
    "mail_tracking_status" text,
    "mail_link_tracking_enabled_flag" boolean,
    "synced_flag" boolean,
    "deleted_flag" boolean,
    "smart_bcc_flag" boolean,
    "has_attachments_flag" boolean,
    "has_inline_attachments_flag" boolean,
    "has_real_attachments_flag" boolean,
    "read_flag" boolean,
    "draft" text,
    "has_body_flag" boolean,
    "sent_flag" boolean,
    "sent_from_pipedrive_flag" boolean,
    "message_time" timestamptz,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "mail_thread_id" bigint NOT NULL,
    "body" text,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'mail_messages_drafts');

CREATE FOREIGN TABLE pipedrive.mail_messages_sent (
    "id" bigint NOT NULL,
    "from" jsonb,
    "to" jsonb,
    "cc" jsonb,
    "bcc" jsonb,
    "body_url" text,
    "account_id" text,
    "user_id" bigint,
    "subject" text,
    "snippet" text,
    "mail_tracking_status" text,
    "mail_link_tracking_enabled_flag" boolean,
    "synced_flag" boolean,
    "deleted_flag" boolean,
    "smart_bcc_flag" boolean,
    "has_attachments_flag" boolean,
    "has_inline_attachments_flag" boolean,
    "has_real_attachments_flag" boolean,
    "read_flag" boolean,
    "draft" text,
    "has_body_flag" boolean,
    "sent_flag" boolean,
    "sent_from_pipedrive_flag" boolean,
    "message_time" timestamptz,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "mail_thread_id" bigint NOT NULL,
    "body" text,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'mail_messages_sent');

CREATE FOREIGN TABLE pipedrive.mail_messages_archive (
    "id" bigint NOT NULL,
    "from" jsonb,
    "to" jsonb,
    "cc" jsonb,
    "bcc" jsonb,
    "body_url" text,
    "account_id" text,
    "user_id" bigint,
    "subject" text,
    "snippet" text,
    "mail_tracking_status" text,
    "mail_link_tracking_enabled_flag" boolean,
    "synced_flag" boolean,
    "deleted_flag" boolean,
    "smart_bcc_flag" boolean,
    "has_attachments_flag" boolean,
    "has_inline_attachments_flag" boolean,
    "has_real_attachments_flag" boolean,
    "read_flag" boolean,
    "draft" text,
    "has_body_flag" boolean,
    "sent_flag" boolean,
    "sent_from_pipedrive_flag" boolean,
    "message_time" timestamptz,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "mail_thread_id" bigint NOT NULL,
    "body" text,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'mail_messages_archive');

CREATE FOREIGN TABLE pipedrive.deal_mail_messages (
    "deal_id" bigint NOT NULL,
    "id" bigint NOT NULL,
    "from" jsonb,
    "to" jsonb,
    "cc" jsonb,
    "bcc" jsonb,
    "body_url" text,
    "account_id" text,
    "user_id" bigint,
    "subject" text,
    "snippet" text,
    "mail_tracking_status" text,
    "mail_link_tracking_enabled_flag" boolean,
    "synced_flag" boolean,
    "deleted_flag" boolean,
    "smart_bcc_flag" boolean,
    "has_attachments_flag" boolean,
    "has_inline_attachments_flag" boolean,
    "has_real_attachments_flag" boolean,
    "read_flag" boolean,
    "draft" text,
    "has_body_flag" boolean,
    "sent_flag" boolean,
    "sent_from_pipedrive_flag" boolean,
    "message_time" timestamptz,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "mail_thread_id" bigint,
    "body" text,
    "draft_flag" boolean,
    "external_deleted_flag" boolean,
    "mua_message_id" text,
    "template_id" bigint,
    "item_type" text,
    "company_id" bigint,
    "nylas_id" text,
    "s3_bucket" text,
    "s3_bucket_path" text,
    "timestamp" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_mail_messages');

CREATE FOREIGN TABLE pipedrive.organization_mail_messages (
    "org_id" bigint NOT NULL,
    "id" bigint NOT NULL,
    "from" jsonb,
    "to" jsonb,
    "cc" jsonb,
    "bcc" jsonb,
    "body_url" text,
    "account_id" text,
    "user_id" bigint,
    "subject" text,
    "snippet" text,
    "mail_tracking_status" text,
    "mail_link_tracking_enabled_flag" boolean,
    "synced_flag" boolean,
    "deleted_flag" boolean,
    "smart_bcc_flag" boolean,
    "has_attachments_flag" boolean,
    "has_inline_attachments_flag" boolean,
    "has_real_attachments_flag" boolean,
    "read_flag" boolean,
    "draft" text,
    "has_body_flag" boolean,
    "sent_flag" boolean,
    "sent_from_pipedrive_flag" boolean,
    "message_time" timestamptz,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "mail_thread_id" bigint,
    "body" text,
    "draft_flag" boolean,
    "external_deleted_flag" boolean,
    "mua_message_id" text,
    "template_id" bigint,
    "item_type" text,
    "company_id" bigint,
    "nylas_id" text,
    "s3_bucket" text,
    "s3_bucket_path" text,
    "timestamp" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'organization_mail_messages');

CREATE FOREIGN TABLE pipedrive.person_mail_messages (
    "person_id" bigint NOT NULL,
    "id" bigint NOT NULL,
    "from" jsonb,
    "to" jsonb,
    "cc" jsonb,
    "bcc" jsonb,
    "body_url" text,
    "account_id" text,
    "user_id" bigint,
    "subject" text,
    "snippet" text,
    "mail_tracking_status" text,
    "mail_link_tracking_enabled_flag" boolean,
    "synced_flag" boolean,
    "deleted_flag" boolean,
    "smart_bcc_flag" boolean,
    "has_attachments_flag" boolean,
    "has_inline_attachments_flag" boolean,
    "has_real_attachments_flag" boolean,
    "read_flag" boolean,
    "draft" text,
    "has_body_flag" boolean,
    "sent_flag" boolean,
    "sent_from_pipedrive_flag" boolean,
    "message_time" timestamptz,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "mail_thread_id" bigint,
    "body" text,
    "draft_flag" boolean,
    "external_deleted_flag" boolean,
    "mua_message_id" text,
    "template_id" bigint,
    "item_type" text,
    "company_id" bigint,
    "nylas_id" text,
    "s3_bucket" text,
    "s3_bucket_path" text,
    "timestamp" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'person_mail_messages');

CREATE FOREIGN TABLE pipedrive.projects (
    "id" bigint NOT NULL,
    "title" text,
    "description" text,
    "status" text,
    "board_id" bigint,
    "phase_id" bigint,
    "owner_id" bigint,
    "start_date" date,
    "end_date" date,
    "deal_ids" bigint[],
    "person_ids" bigint[],
    "org_ids" bigint[],
    "label_ids" bigint[],
    "health_status" bigint,
    "template_id" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "status_change_time" timestamptz,
    "archive_time" timestamptz,
    "is_archived" boolean,
    "filter_id" bigint,
    "custom_fields" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'projects');

CREATE FOREIGN TABLE pipedrive.tasks (
    "id" bigint NOT NULL,
    "title" text,
    "creator_id" bigint,
    "description" text,
    "project_id" bigint,
    "is_done" boolean,
    "is_milestone" boolean,
    "due_date" date,
    "start_date" date,
    "parent_task_id" bigint,
    "assignee_ids" bigint[],
    "priority" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "marked_as_done_time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'tasks');

CREATE FOREIGN TABLE pipedrive.boards (
    "id" bigint NOT NULL,
    "name" text,
    "order_nr" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'boards');

CREATE FOREIGN TABLE pipedrive.phases (
    "id" bigint NOT NULL,
    "name" text,
    "board_id" bigint NOT NULL,
    "order_nr" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'phases');

CREATE FOREIGN TABLE pipedrive.project_templates (
    "id" bigint NOT NULL,
    "title" text,
    "description" text,
    "projects_board_id" bigint,
    "owner_id" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'project_templates');

CREATE FOREIGN TABLE pipedrive.project_groups (
    "project_id" bigint NOT NULL,
    "id" bigint NOT NULL,
    "name" text,
    "order_nr" bigint,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'project_groups');

CREATE FOREIGN TABLE pipedrive.project_plan_items (
    "project_id" bigint NOT NULL,
    "item_type" text NOT NULL,
    "item_id" bigint NOT NULL,
    "phase_id" bigint,
    "group_id" bigint,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'project_plan_items');

CREATE FOREIGN TABLE pipedrive.deal_fields (
    "field_code" text NOT NULL,
    "field_name" text,
    "description" text,
    "field_type" text,
    "options" jsonb,
    "subfields" jsonb,
    "is_custom_field" boolean,
    "is_optional_response_field" boolean,
    "ui_visibility" jsonb,
    "important_fields" jsonb,
    "required_fields" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_fields');

CREATE FOREIGN TABLE pipedrive.person_fields (
    "field_code" text NOT NULL,
    "field_name" text,
    "field_type" text,
    "options" jsonb,
    "subfields" jsonb,
    "is_custom_field" boolean,
    "is_optional_response_field" boolean,
    "ui_visibility" jsonb,
    "important_fields" jsonb,
    "required_fields" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'person_fields');

CREATE FOREIGN TABLE pipedrive.organization_fields (
    "field_code" text NOT NULL,
    "field_name" text,
    "field_type" text,
    "options" jsonb,
    "subfields" jsonb,
    "is_custom_field" boolean,
    "is_optional_response_field" boolean,
    "ui_visibility" jsonb,
    "important_fields" jsonb,
    "required_fields" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'organization_fields');

CREATE FOREIGN TABLE pipedrive.product_fields (
    "field_code" text NOT NULL,
    "field_name" text,
    "field_type" text,
    "options" jsonb,
    "subfields" jsonb,
    "is_custom_field" boolean,
    "is_optional_response_field" boolean,
    "ui_visibility" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'product_fields');

CREATE FOREIGN TABLE pipedrive.activity_fields (
    "field_code" text NOT NULL,
    "field_name" text,
    "field_type" text,
    "options" jsonb,
    "subfields" jsonb,
    "is_custom_field" boolean,
    "is_optional_response_field" boolean,
    "ui_visibility" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'activity_fields');

CREATE FOREIGN TABLE pipedrive.project_fields (
    "field_code" text NOT NULL,
    "field_name" text,
    "field_type" text,
    "options" jsonb,
    "subfields" jsonb,
    "is_custom_field" boolean,
    "is_optional_response_field" boolean,
    "ui_visibility" jsonb,
    "important_fields" jsonb,
    "required_fields" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'project_fields');

CREATE FOREIGN TABLE pipedrive.note_fields (
    "id" bigint NOT NULL,
    "key" text NOT NULL,
    "name" text,
    "field_type" text,
    "active_flag" boolean,
    "edit_flag" boolean,
    "bulk_edit_allowed" boolean,
    "mandatory_flag" boolean,
    "options" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'note_fields');

CREATE FOREIGN TABLE pipedrive.lead_fields (
    "id" bigint,
    "key" text NOT NULL,
    "name" text,
    "order_nr" bigint,
    "field_type" text,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "last_updated_by_user_id" bigint,
    "created_by_user_id" bigint,
    "active_flag" boolean,
    "edit_flag" boolean,
    "index_visible_flag" boolean,
    "details_visible_flag" boolean,
    "add_visible_flag" boolean,
    "important_flag" boolean,
    "bulk_edit_allowed" boolean,
    "searchable_flag" boolean,
    "filtering_allowed" boolean,
    "sortable_flag" boolean,
    "mandatory_flag" boolean,
    "options" jsonb,
    "options_deleted" jsonb,
    "is_subfield" boolean,
    "subfields" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'lead_fields');

CREATE FOREIGN TABLE pipedrive.person_emails (
    "person_id" bigint NOT NULL,
    "value" text,
    "primary" boolean,
    "label" text,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'person_emails');

CREATE FOREIGN TABLE pipedrive.person_phones (
    "person_id" bigint NOT NULL,
    "value" text,
    "primary" boolean,
    "label" text,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'person_phones');

CREATE FOREIGN TABLE pipedrive.product_prices (
    "product_id" bigint NOT NULL,
    "currency" text,
    "price" numeric,
    "cost" numeric,
    "direct_cost" numeric,
    "notes" text,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'product_prices');

CREATE FOREIGN TABLE pipedrive.product_variation_prices (
    "product_variation_id" bigint NOT NULL,
    "product_id" bigint NOT NULL,
    "currency" text,
    "price" numeric,
    "cost" numeric,
    "direct_cost" numeric,
    "notes" text,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'product_variation_prices');

CREATE FOREIGN TABLE pipedrive.activity_participants (
    "activity_id" bigint NOT NULL,
    "person_id" bigint,
    "primary" boolean,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'activity_participants');

CREATE FOREIGN TABLE pipedrive.activity_attendees (
    "activity_id" bigint NOT NULL,
    "email" text,
    "name" text,
    "status" text,
    "is_organizer" boolean,
    "person_id" bigint,
    "user_id" bigint,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'activity_attendees');

CREATE FOREIGN TABLE pipedrive.deal_field_options (
    "field_code" text NOT NULL,
    "field_name" text,
    "is_custom_field" boolean,
    "id" bigint,
    "text_id" text,
    "label" text,
    "color" text,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_field_options');

CREATE FOREIGN TABLE pipedrive.person_field_options (
    "field_code" text NOT NULL,
    "field_name" text,
    "is_custom_field" boolean,
    "id" bigint,
    "text_id" text,
    "label" text,
    "color" text,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'person_field_options');

CREATE FOREIGN TABLE pipedrive.organization_field_options (
    "field_code" text NOT NULL,
    "field_name" text,
    "is_custom_field" boolean,
    "id" bigint,
    "text_id" text,
    "label" text,
    "color" text,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'organization_field_options');

CREATE FOREIGN TABLE pipedrive.product_field_options (
    "field_code" text NOT NULL,
    "field_name" text,
    "is_custom_field" boolean,
    "id" bigint,
    "text_id" text,
    "label" text,
    "color" text,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'product_field_options');

CREATE FOREIGN TABLE pipedrive.project_field_options (
    "field_code" text NOT NULL,
    "field_name" text,
    "is_custom_field" boolean,
    "id" bigint,
    "text_id" text,
    "label" text,
    "color" text,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'project_field_options');

CREATE FOREIGN TABLE pipedrive.activity_field_options (
    "field_code" text NOT NULL,
    "field_name" text,
    "is_custom_field" boolean,
    "id" bigint,
    "text_id" text,
    "label" text,
    "color" text,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'activity_field_options');

CREATE FOREIGN TABLE pipedrive.users (
    "id" bigint NOT NULL,
    "name" text,
    "default_currency" text,
    "locale" text,
    "lang" bigint,
    "email" text,
    "phone" text,
    "activated" boolean,
    "last_login" timestamptz,
    "created" timestamptz,
    "modified" timestamptz,
    "has_created_company" boolean,
    "access" jsonb,
    "active_flag" boolean,
    "timezone_name" text,
    "timezone_offset" text,
    "role_id" bigint,
    "icon_url" text,
    "is_you" boolean,
    "is_deleted" boolean,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'users');

CREATE FOREIGN TABLE pipedrive.roles (
    "id" bigint NOT NULL,
    "parent_role_id" bigint,
    "name" text,
    "active_flag" boolean,
    "assignment_count" bigint,
    "sub_role_count" bigint,
    "level" bigint,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'roles');

CREATE FOREIGN TABLE pipedrive.role_assignments (
    "role_id" bigint NOT NULL,
    "user_id" bigint NOT NULL,
    "parent_role_id" bigint,
    "name" text,
    "active_flag" boolean,
    "type" text,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'role_assignments');

CREATE FOREIGN TABLE pipedrive.permission_sets (
    "id" uuid NOT NULL,
    "name" text,
    "description" text,
    "app" text,
    "type" text,
    "assignment_count" bigint,
    "contents" text[],
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'permission_sets');

CREATE FOREIGN TABLE pipedrive.permission_set_assignments (
    "permission_set_id" uuid NOT NULL,
    "user_id" bigint NOT NULL,
    "name" text,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'permission_set_assignments');

CREATE FOREIGN TABLE pipedrive.user_settings (
    "marketplace_team" boolean,
    "list_limit" bigint,
    "beta_app" boolean,
    "prevent_salesphone_callto_override" boolean,
    "file_upload_destination" text,
    "callto_link_syntax" text,
    "autofill_deal_expected_close_date" boolean,
    "person_duplicate_condition" text,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'user_settings');

CREATE FOREIGN TABLE pipedrive.currencies (
    "id" bigint NOT NULL,
    "code" text,
    "name" text,
    "decimal_points" bigint,
    "symbol" text,
    "active_flag" boolean,
    "is_custom_flag" boolean,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'currencies');

CREATE FOREIGN TABLE pipedrive.deal_permitted_users (
    "deal_id" bigint NOT NULL,
    "user_id" bigint NOT NULL,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_permitted_users');

CREATE FOREIGN TABLE pipedrive.lead_permitted_users (
    "lead_id" uuid NOT NULL,
    "user_id" bigint NOT NULL,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'lead_permitted_users');

CREATE FOREIGN TABLE pipedrive.person_permitted_users (
    "person_id" bigint NOT NULL,
    "user_id" bigint NOT NULL,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'person_permitted_users');

CREATE FOREIGN TABLE pipedrive.organization_permitted_users (
    "org_id" bigint NOT NULL,
    "user_id" bigint NOT NULL,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'organization_permitted_users');

CREATE FOREIGN TABLE pipedrive.product_permitted_users (
    "product_id" bigint NOT NULL,
    "user_id" bigint NOT NULL,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'product_permitted_users');

CREATE FOREIGN TABLE pipedrive.project_permitted_users (
    "project_id" bigint NOT NULL,
    "user_id" bigint NOT NULL,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'project_permitted_users');

CREATE FOREIGN TABLE pipedrive.user_permissions (
    "user_id" bigint NOT NULL,
    "can_add_custom_fields" boolean,
    "can_add_products" boolean,
    "can_add_prospects_as_leads" boolean,
    "can_bulk_edit_items" boolean,
    "can_change_visibility_of_items" boolean,
    "can_convert_deals_to_leads" boolean,
    "can_create_own_workflow" boolean,
    "can_delete_activities" boolean,
    "can_delete_custom_fields" boolean,
    "can_delete_deals" boolean,
    "can_edit_custom_fields" boolean,
    "can_edit_deals_closed_date" boolean,
    "can_edit_products" boolean,
    "can_edit_shared_filters" boolean,
    "can_export_data_from_lists" boolean,
    "can_follow_other_users" boolean,
    "can_merge_deals" boolean,
    "can_merge_organizations" boolean,
    "can_merge_people" boolean,
    "can_modify_labels" boolean,
    "can_see_company_wide_statistics" boolean,
    "can_see_deals_list_summary" boolean,
    "can_see_hidden_items_names" boolean,
    "can_see_other_users" boolean,
    "can_see_other_users_statistics" boolean,
    "can_see_security_dashboard" boolean,
    "can_share_filters" boolean,
    "can_share_insights" boolean,
    "can_use_api" boolean,
    "can_use_email_tracking" boolean,
    "can_use_import" boolean,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'user_permissions');

CREATE FOREIGN TABLE pipedrive.user_role_settings (
    "user_id" bigint NOT NULL,
    "deal_default_visibility" bigint,
    "lead_default_visibility" bigint,
    "org_default_visibility" bigint,
    "person_default_visibility" bigint,
    "product_default_visibility" bigint,
    "deal_access_level" bigint,
    "org_access_level" bigint,
    "person_access_level" bigint,
    "product_access_level" bigint,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'user_role_settings');

CREATE FOREIGN TABLE pipedrive.role_settings (
    "role_id" bigint NOT NULL,
    "deal_default_visibility" bigint,
    "lead_default_visibility" bigint,
    "org_default_visibility" bigint,
    "person_default_visibility" bigint,
    "product_default_visibility" bigint,
    "deal_access_level" bigint,
    "org_access_level" bigint,
    "person_access_level" bigint,
    "product_access_level" bigint,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'role_settings');

CREATE FOREIGN TABLE pipedrive.role_pipelines (
    "role_id" bigint NOT NULL,
    "pipeline_id" bigint NOT NULL,
    "is_visible" boolean,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'role_pipelines');

CREATE FOREIGN TABLE pipedrive.legacy_teams (
    "id" bigint NOT NULL,
    "name" text,
    "description" text,
    "manager_id" bigint,
    "users" bigint[],
    "active_flag" boolean,
    "deleted_flag" boolean,
    "add_time" timestamptz,
    "created_by_user_id" bigint,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'legacy_teams');

CREATE FOREIGN TABLE pipedrive.legacy_team_users (
    "team_id" bigint NOT NULL,
    "user_id" bigint NOT NULL,
    "row_id" text NOT NULL,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'legacy_team_users');

CREATE FOREIGN TABLE pipedrive.api_usage (
    "tokens_left" bigint,
    "tokens_a_day" bigint,
    "reported_at" timestamptz,
    "burst_limit" bigint,
    "session_requests" bigint,
    "session_tokens" bigint,
    "session_remembered" bigint,
    "session_cached" bigint,
    "session_waited" numeric,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'api_usage');

CREATE FOREIGN TABLE pipedrive.filters (
    "id" bigint NOT NULL,
    "name" text,
    "filter_code" text,
    "is_editable" boolean,
    "active_flag" boolean,
    "type" text,
    "temporary_flag" boolean,
    "user_id" bigint,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "visible_to" bigint,
    "last_used_time" timestamptz,
    "custom_view_id" bigint,
    "conditions" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'filters');

CREATE FOREIGN TABLE pipedrive.goals (
    "id" text NOT NULL,
    "owner_id" bigint,
    "title" text,
    "type" jsonb,
    "assignee" jsonb,
    "interval" text,
    "duration" jsonb,
    "expected_outcome" jsonb,
    "is_active" boolean,
    "report_ids" text[],
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'goals');

CREATE FOREIGN TABLE pipedrive.webhooks (
    "id" bigint NOT NULL,
    "company_id" bigint,
    "owner_id" bigint,
    "user_id" bigint,
    "event_action" text,
    "event_object" text,
    "subscription_url" text,
    "version" text,
    "is_active" boolean,
    "add_time" timestamptz,
    "remove_time" timestamptz,
    "type" text,
    "http_auth_user" text,
    "http_auth_password" text,
    "remove_reason" text,
    "last_delivery_time" timestamptz,
    "last_http_status" bigint,
    "admin_id" bigint,
    "name" text,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'webhooks');

CREATE FOREIGN TABLE pipedrive.user_connections (
    "google" text,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'user_connections');

CREATE FOREIGN TABLE pipedrive.billing_addons (
    "code" text,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'billing_addons');

CREATE FOREIGN TABLE pipedrive.deal_changes (
    "deal_id" bigint NOT NULL,
    "field_key" text,
    "old_value" text,
    "new_value" text,
    "actor_user_id" bigint,
    "time" timestamptz,
    "change_source" text,
    "change_source_user_agent" text,
    "is_bulk_update_flag" boolean,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_changes');

CREATE FOREIGN TABLE pipedrive.person_changes (
    "person_id" bigint NOT NULL,
    "field_key" text,
    "old_value" text,
    "new_value" text,
    "actor_user_id" bigint,
    "time" timestamptz,
    "change_source" text,
    "change_source_user_agent" text,
    "is_bulk_update_flag" boolean,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'person_changes');

CREATE FOREIGN TABLE pipedrive.organization_changes (
    "org_id" bigint NOT NULL,
    "field_key" text,
    "old_value" text,
    "new_value" text,
    "actor_user_id" bigint,
    "time" timestamptz,
    "change_source" text,
    "change_source_user_agent" text,
    "is_bulk_update_flag" boolean,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'organization_changes');

CREATE FOREIGN TABLE pipedrive.project_changes (
    "project_id" bigint NOT NULL,
    "old_values" jsonb,
    "new_values" jsonb,
    "actor_user_id" bigint,
    "time" timestamptz,
    "change_source" text,
    "change_source_user_agent" text,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'project_changes');

CREATE FOREIGN TABLE pipedrive.deal_follower_changes (
    "deal_id" bigint NOT NULL,
    "action" text,
    "actor_user_id" bigint,
    "follower_user_id" bigint,
    "time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_follower_changes');

CREATE FOREIGN TABLE pipedrive.person_follower_changes (
    "person_id" bigint NOT NULL,
    "action" text,
    "actor_user_id" bigint,
    "follower_user_id" bigint,
    "time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'person_follower_changes');

CREATE FOREIGN TABLE pipedrive.organization_follower_changes (
    "org_id" bigint NOT NULL,
    "action" text,
    "actor_user_id" bigint,
    "follower_user_id" bigint,
    "time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'organization_follower_changes');

CREATE FOREIGN TABLE pipedrive.product_follower_changes (
    "product_id" bigint NOT NULL,
    "action" text,
    "actor_user_id" bigint,
    "follower_user_id" bigint,
    "time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'product_follower_changes');

CREATE FOREIGN TABLE pipedrive.deal_participant_changes (
    "deal_id" bigint NOT NULL,
    "action" text,
    "actor_user_id" bigint,
    "person_id" bigint,
    "time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_participant_changes');

CREATE FOREIGN TABLE pipedrive.deal_flow (
    "deal_id" bigint NOT NULL,
    "object" text,
    "timestamp" timestamptz,
    "data" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_flow');

CREATE FOREIGN TABLE pipedrive.person_flow (
    "person_id" bigint NOT NULL,
    "object" text,
    "timestamp" timestamptz,
    "data" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'person_flow');

CREATE FOREIGN TABLE pipedrive.organization_flow (
    "org_id" bigint NOT NULL,
    "object" text,
    "timestamp" timestamptz,
    "data" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'organization_flow');

CREATE FOREIGN TABLE pipedrive.deal_summary (
    "status" text,
    "user_id" bigint,
    "pipeline_id" bigint,
    "stage_id" bigint,
    "filter_id" bigint,
    "total_count" bigint,
    "total_currency_converted_value" numeric,
    "total_weighted_currency_converted_value" numeric,
    "total_currency_converted_value_formatted" text,
    "total_weighted_currency_converted_value_formatted" text,
    "values_total" jsonb,
    "weighted_values_total" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_summary');

CREATE FOREIGN TABLE pipedrive.deal_timeline (
    "start_date" date,
    "interval" text,
    "amount" bigint,
    "field_key" text,
    "user_id" bigint,
    "pipeline_id" bigint,
    "filter_id" bigint,
    "period_start" timestamptz,
    "period_end" timestamptz,
    "totals_count" bigint,
    "totals_values" jsonb,
    "totals_weighted_values" jsonb,
    "totals_open_count" bigint,
    "totals_open_values" jsonb,
    "totals_weighted_open_values" jsonb,
    "totals_won_count" bigint,
    "totals_won_values" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'deal_timeline');

CREATE FOREIGN TABLE pipedrive.pipeline_conversion (
    "pipeline_id" bigint NOT NULL,
    "start_date" date,
    "end_date" date,
    "user_id" bigint,
    "from_stage_id" bigint,
    "to_stage_id" bigint,
    "conversion_rate" bigint,
    "won_conversion" bigint,
    "lost_conversion" bigint,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'pipeline_conversion');

CREATE FOREIGN TABLE pipedrive.pipeline_movement (
    "pipeline_id" bigint NOT NULL,
    "start_date" date,
    "end_date" date,
    "user_id" bigint,
    "movements_between_stages_count" bigint,
    "new_deals_count" bigint,
    "new_deals_deals_ids" bigint[],
    "new_deals_values" jsonb,
    "new_deals_formatted_values" jsonb,
    "deals_left_open_count" bigint,
    "deals_left_open_deals_ids" bigint[],
    "deals_left_open_values" jsonb,
    "deals_left_open_formatted_values" jsonb,
    "won_deals_count" bigint,
    "won_deals_deals_ids" bigint[],
    "won_deals_values" jsonb,
    "won_deals_formatted_values" jsonb,
    "lost_deals_count" bigint,
    "lost_deals_deals_ids" bigint[],
    "lost_deals_values" jsonb,
    "lost_deals_formatted_values" jsonb,
    "average_age_in_days_across_all_stages" bigint,
    "average_age_in_days_by_stages" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'pipeline_movement');

CREATE FOREIGN TABLE pipedrive.goal_results (
    "goal_id" text NOT NULL,
    "period_start" date,
    "period_end" date,
    "progress" bigint,
    "goal" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'goal_results');

CREATE FOREIGN TABLE pipedrive.recents (
    "since_timestamp" timestamptz,
    "item" text,
    "id" bigint NOT NULL,
    "data" jsonb,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'recents');

CREATE FOREIGN TABLE pipedrive.subscriptions (
    "id" bigint NOT NULL,
    "user_id" bigint,
    "deal_id" bigint NOT NULL,
    "description" text,
    "is_active" boolean,
    "cycles_count" bigint,
    "cycle_amount" numeric,
    "infinite" boolean,
    "currency" text,
    "cadence_type" text,
    "start_date" date,
    "end_date" date,
    "lifetime_value" numeric,
    "final_status" text,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "effective_date" date,
    "payments" jsonb,
    "update_deal_value" boolean,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'subscriptions');

CREATE FOREIGN TABLE pipedrive.subscription_payments (
    "id" bigint NOT NULL,
    "subscription_id" bigint NOT NULL,
    "deal_id" bigint,
    "is_active" boolean,
    "amount" numeric,
    "currency" text,
    "change_amount" numeric,
    "due_at" date,
    "revenue_movement_type" text,
    "payment_type" text,
    "description" text,
    "add_time" timestamptz,
    "update_time" timestamptz,
    "attrs" jsonb
) SERVER pipedrive OPTIONS (table 'subscription_payments');
