-- When a batch was booked; NULL: somebody is about to. Rows may be kept for less long than batches are asked for.
ALTER TABLE batch_booked ADD COLUMN booked_ms BIGINT;
