-- A gallery of schema version 1, as that version made and filled it. Frozen: it is what old
-- galleries look like, not what the code makes today.
PRAGMA application_id = 1213222489;
PRAGMA user_version = 1;
CREATE TABLE meta (
    "key" TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY ("key")
)
 STRICT;
CREATE TABLE migrations (
    version INTEGER NOT NULL,
    name TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    PRIMARY KEY (version)
)
 STRICT;
CREATE TABLE budgets (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    settled INTEGER DEFAULT 0 NOT NULL,
    held INTEGER DEFAULT 0 NOT NULL,
    sample INTEGER DEFAULT 0 NOT NULL,
    cap INTEGER,
    overruns INTEGER DEFAULT 0 NOT NULL,
    day TEXT DEFAULT '' NOT NULL,
    PRIMARY KEY (scope, name),
    CONSTRAINT never_negative CHECK (settled >= 0 AND held >= 0 AND sample >= 0),
    CONSTRAINT known_scope CHECK (scope IN ('gallery', 'day', 'run'))
)
 STRICT;
CREATE TABLE owners (
    id TEXT NOT NULL,
    host TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started TEXT NOT NULL,
    spool TEXT NOT NULL,
    opened_at_us INTEGER NOT NULL,
    heartbeat_at_us INTEGER NOT NULL,
    closed_at_us INTEGER,
    PRIMARY KEY (id)
)
 STRICT;
CREATE TABLE files (
    sha256 TEXT NOT NULL,
    format TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    width_px INTEGER NOT NULL,
    height_px INTEGER NOT NULL,
    created_at_us INTEGER NOT NULL,
    PRIMARY KEY (sha256)
)
 STRICT;
CREATE TABLE attempts (
    id TEXT NOT NULL,
    job_key TEXT NOT NULL,
    slots INTEGER NOT NULL,
    state TEXT NOT NULL,
    hold INTEGER NOT NULL,
    cost INTEGER,
    quoted_low INTEGER,
    quoted_high INTEGER,
    day TEXT NOT NULL,
    model TEXT NOT NULL,
    tier TEXT NOT NULL,
    provider TEXT NOT NULL,
    run_id TEXT,
    sample INTEGER DEFAULT 0 NOT NULL,
    owner_id TEXT NOT NULL,
    price_version TEXT NOT NULL,
    request_key TEXT NOT NULL,
    created_at_us INTEGER NOT NULL,
    sent_at_us INTEGER,
    ended_at_us INTEGER,
    acknowledged_at_us INTEGER,
    decided INTEGER DEFAULT 0 NOT NULL,
    reason TEXT DEFAULT '' NOT NULL,
    request_id TEXT,
    request TEXT NOT NULL,
    rates TEXT,
    usage TEXT,
    receipt TEXT,
    problems TEXT,
    PRIMARY KEY (id),
    CONSTRAINT known_state CHECK (state IN ('reserved', 'sent', 'settled', 'released', 'unknown', 'overrun')),
    CONSTRAINT no_negative_money CHECK (hold >= 0 AND (cost IS NULL OR cost >= 0)),
    FOREIGN KEY(owner_id) REFERENCES owners (id)
)
 STRICT;
CREATE TABLE thumbnails (
    sha256 TEXT NOT NULL,
    width_px INTEGER NOT NULL,
    height_px INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (sha256),
    FOREIGN KEY(sha256) REFERENCES files (sha256)
)
 STRICT;
CREATE TABLE items (
    seq INTEGER NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    job_key TEXT,
    slot INTEGER DEFAULT 0 NOT NULL,
    attempt_id TEXT,
    created_at_us INTEGER NOT NULL,
    deleted_at_us INTEGER,
    version INTEGER DEFAULT 1 NOT NULL,
    rating INTEGER DEFAULT 0 NOT NULL,
    total_cost INTEGER DEFAULT 0 NOT NULL,
    billed INTEGER,
    quoted_low INTEGER,
    quoted_high INTEGER,
    sample INTEGER DEFAULT 0 NOT NULL,
    model TEXT,
    tier TEXT,
    asked_size TEXT,
    quality TEXT,
    collection TEXT DEFAULT '' NOT NULL,
    name TEXT DEFAULT '' NOT NULL,
    title TEXT DEFAULT '' NOT NULL,
    prompt TEXT DEFAULT '' NOT NULL,
    alt TEXT DEFAULT '' NOT NULL,
    note TEXT DEFAULT '' NOT NULL,
    usage TEXT,
    PRIMARY KEY (seq),
    CONSTRAINT one_result_per_slot UNIQUE (job_key, slot),
    CONSTRAINT known_kind CHECK (kind IN ('image', 'edit', 'photo')),
    UNIQUE (id),
    FOREIGN KEY(sha256) REFERENCES files (sha256),
    FOREIGN KEY(attempt_id) REFERENCES attempts (id)
)
 STRICT;
CREATE TABLE captions (
    id INTEGER NOT NULL,
    item_seq INTEGER NOT NULL,
    job_key TEXT,
    slot INTEGER DEFAULT 0 NOT NULL,
    attempt_id TEXT,
    created_at_us INTEGER NOT NULL,
    task TEXT NOT NULL,
    model TEXT NOT NULL,
    billed INTEGER,
    quoted_low INTEGER,
    quoted_high INTEGER,
    sample INTEGER DEFAULT 0 NOT NULL,
    text TEXT NOT NULL,
    tags TEXT,
    data TEXT,
    usage TEXT,
    PRIMARY KEY (id),
    CONSTRAINT one_caption_per_slot UNIQUE (job_key, slot),
    FOREIGN KEY(item_seq) REFERENCES items (seq),
    FOREIGN KEY(attempt_id) REFERENCES attempts (id)
)
 STRICT;
CREATE TABLE item_tags (
    tag TEXT NOT NULL,
    item_seq INTEGER NOT NULL,
    PRIMARY KEY (tag, item_seq),
    FOREIGN KEY(item_seq) REFERENCES items (seq)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE parents (
    item_seq INTEGER NOT NULL,
    position INTEGER NOT NULL,
    parent_seq INTEGER NOT NULL,
    PRIMARY KEY (item_seq, position),
    FOREIGN KEY(item_seq) REFERENCES items (seq),
    FOREIGN KEY(parent_seq) REFERENCES items (seq)
)
 WITHOUT ROWID,
 STRICT;
CREATE TABLE history (
    id INTEGER NOT NULL,
    item_seq INTEGER NOT NULL,
    version INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    who TEXT NOT NULL,
    "before" TEXT NOT NULL,
    "after" TEXT NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY(item_seq) REFERENCES items (seq)
)
 STRICT;
CREATE VIRTUAL TABLE search USING fts5(title, prompt, captions, notes, tags, alt, name, tokenize='unicode61 remove_diacritics 2', prefix='2 3');
CREATE INDEX attempts_by_job ON attempts (job_key);
CREATE INDEX attempts_open ON attempts (state) WHERE state IN ('reserved', 'sent', 'unknown', 'overrun');
CREATE INDEX items_by_cost ON items (total_cost, seq);
CREATE INDEX items_by_collection ON items (collection, seq) WHERE collection <> '';
CREATE INDEX items_by_rating ON items (rating, seq);
CREATE INDEX items_by_kind ON items (kind, seq);
CREATE INDEX items_by_file ON items (sha256);
CREATE INDEX items_by_attempt ON items (attempt_id);
CREATE INDEX items_by_time ON items (created_at_us);
CREATE INDEX items_in_trash ON items (seq) WHERE deleted_at_us IS NOT NULL;
CREATE INDEX captions_by_item ON captions (item_seq);
CREATE INDEX captions_by_attempt ON captions (attempt_id);
CREATE INDEX tags_by_item ON item_tags (item_seq);
CREATE INDEX parents_by_parent ON parents (parent_seq);
CREATE INDEX history_by_item ON history (item_seq, version);
INSERT INTO meta VALUES('gallery_id', '0123456789abcdef0123456789abcdef');
INSERT INTO meta VALUES('schema_version', '1');
INSERT INTO meta VALUES('made_by', 'halfpenny 0.1.0');
INSERT INTO migrations VALUES(1, 'created', 1795176000000000);
INSERT INTO budgets VALUES('gallery', '', 8090000000, 4000000000, 8090000000, 5000000000000, 0, '2026-11-20');
INSERT INTO budgets VALUES('day', '2026-11-20', 8090000000, 4000000000, 8090000000, NULL, 0, '');
INSERT INTO budgets VALUES('run', 'first run', 7870000000, 0, 7870000000, NULL, 0, '');
INSERT INTO owners VALUES('866146baf0e661a6', 'old-machine', 'old-boot', 4242, '1', '0', 1795176060000000, 1795176060000000, 1795176240000000);
INSERT INTO attempts VALUES('5212ebf67328c5caa02dbc9df249dc65', 'job 1', 1, 'settled', 4000000000, 3970000000, 4000000000, 4000000000, '2026-11-20', 'gpt-image-2', 'standard', 'offline', 'first run', 1, '866146baf0e661a6', 'prices of 2026-11-20', '104c238fa06f5282282e694bfdd1942ef4f5828a654728a6b9b52c98f9dfa05f', 1795176060000000, NULL, 1795176060000000, NULL, 0, '', 'req-1', '{"kind":"ImageRequest","prompt":"A wizard watering a glass desert"}', NULL, '{"text_input": 20, "image_output": 129}', '{"status": 200, "request_id": "req-1", "seconds": 1.0}', NULL);
INSERT INTO attempts VALUES('50209cfbfbb473ddd56867319d919835', 'job 2', 1, 'settled', 4000000000, 3900000000, 4000000000, 4000000000, '2026-11-20', 'gpt-image-2', 'standard', 'offline', 'first run', 1, '866146baf0e661a6', 'prices of 2026-11-20', 'bdb71dd9a51bd2b206689a0d0d1e1b503b61ea681a80f6229d3d8fa9d70fc91d', 1795176120000000, NULL, 1795176120000000, NULL, 0, '', 'req-2', '{"kind":"EditRequest","prompt":"at night","images":[{"photo":{"width_px":640,"height_px":480,"format":"jpeg","size_bytes":15,"sha256":"b75998421ec1ba5b466f9defc14a87d4629552434409b594b31f6e691088d7f2"}}]}', NULL, '{"text_input": 20, "image_output": 129}', '{"status": 200, "request_id": "req-2", "seconds": 1.0}', NULL);
INSERT INTO attempts VALUES('bee35453ca41c031e0d201120e7db4d3', 'caption gpt-5.4-nano', 1, 'settled', 4000000000, 110000000, 4000000000, 4000000000, '2026-11-20', 'gpt-5.4-nano', 'standard', 'offline', NULL, 1, '866146baf0e661a6', 'prices of 2026-11-20', '8f14468ca87a0125985fe00035a374f5ec7c677d546a28084ce5bc73606bc554', 1795176180000000, NULL, 1795176180000000, NULL, 0, '', 'req-3', '{"kind":"CaptionRequest","photo":{"photo":{"width_px":640,"height_px":480,"format":"jpeg","size_bytes":15,"sha256":"b75998421ec1ba5b466f9defc14a87d4629552434409b594b31f6e691088d7f2"}}}', NULL, '{"image_input": 300, "text_output": 40}', '{"status": 200, "request_id": "req-3", "seconds": 0.5}', NULL);
INSERT INTO attempts VALUES('4a587f1cbcb03147844df039daa9d6ad', 'caption gpt-5.4-mini', 1, 'settled', 4000000000, 110000000, 4000000000, 4000000000, '2026-11-20', 'gpt-5.4-mini', 'standard', 'offline', NULL, 1, '866146baf0e661a6', 'prices of 2026-11-20', '305628ca0871880f5e92b04fb2ad7c2a40f55d994d063a246d56136d482e8b5b', 1795176240000000, NULL, 1795176240000000, NULL, 0, '', 'req-3', '{"kind":"CaptionRequest","photo":{"photo":{"width_px":640,"height_px":480,"format":"jpeg","size_bytes":15,"sha256":"b75998421ec1ba5b466f9defc14a87d4629552434409b594b31f6e691088d7f2"}},"model":"gpt-5.4-mini"}', NULL, '{"image_input": 300, "text_output": 40}', '{"status": 200, "request_id": "req-3", "seconds": 0.5}', NULL);
INSERT INTO attempts VALUES('d1d06341766326af1dd69de7f902ed47', 'lost', 1, 'unknown', 4000000000, NULL, 4000000000, 4000000000, '2026-11-20', 'gpt-image-2', 'standard', 'offline', NULL, 0, '866146baf0e661a6', 'prices of 2026-11-20', 'df0346c6c9fad6f56eb1ab84b05f9b3dbc7c6dc4db8be6a74f04c748d81bd455', 1795176240000000, NULL, 1795176240000000, NULL, 0, 'timeout: no answer came', NULL, '{"kind":"ImageRequest","prompt":"lost"}', NULL, NULL, '{}', NULL);
INSERT INTO files VALUES('0ba0843e2a3a7b95791ce1ef6ec67b75f757b7d2334dc9818dae4fc74868ce7d', 'png', 14, 976, 704, 1795176060000000);
INSERT INTO files VALUES('b75998421ec1ba5b466f9defc14a87d4629552434409b594b31f6e691088d7f2', 'jpeg', 15, 640, 480, 1795176060000000);
INSERT INTO files VALUES('87a83a2892db4b865e21a75d0231ef283b40a45447cb70396d53a3619f7ae6bf', 'png', 14, 976, 704, 1795176120000000);
INSERT INTO thumbnails VALUES('0ba0843e2a3a7b95791ce1ef6ec67b75f757b7d2334dc9818dae4fc74868ce7d', 32, 23, X'7468756D626E61696C');
INSERT INTO thumbnails VALUES('87a83a2892db4b865e21a75d0231ef283b40a45447cb70396d53a3619f7ae6bf', 32, 23, X'7468756D626E61696C');
INSERT INTO items VALUES(1, 'hceg7t8j7kpy', 'image', '0ba0843e2a3a7b95791ce1ef6ec67b75f757b7d2334dc9818dae4fc74868ce7d', 'job 1', 0, '5212ebf67328c5caa02dbc9df249dc65', 1795176060000000, NULL, 2, 5, 3970000000, 3970000000, 4000000000, 4000000000, 1, 'gpt-image-2', 'standard', '976x704', 'low', '', '', '', 'A wizard watering a glass desert', '', 'the best', '{"text_input": 20, "image_output": 129}');
INSERT INTO items VALUES(2, 'p9bjd69sjpc9', 'photo', 'b75998421ec1ba5b466f9defc14a87d4629552434409b594b31f6e691088d7f2', 'photo:b75998421ec1ba5b466f9defc14a87d4629552434409b594b31f6e691088d7f2', 0, NULL, 1795176060000000, NULL, 2, 0, 220000000, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, 'trip', 'dunes.jpg', '', '', '', '', NULL);
INSERT INTO items VALUES(3, 'p26492txc3dt', 'edit', '87a83a2892db4b865e21a75d0231ef283b40a45447cb70396d53a3619f7ae6bf', 'job 2', 0, '50209cfbfbb473ddd56867319d919835', 1795176120000000, 1795176240000000, 2, 0, 3900000000, 3900000000, 4000000000, 4000000000, 1, 'gpt-image-2', 'standard', '976x704', 'low', '', '', '', 'at night', '', '', '{"text_input": 20, "image_output": 129}');
INSERT INTO captions VALUES(1, 2, 'caption gpt-5.4-nano', 0, 'bee35453ca41c031e0d201120e7db4d3', 1795176180000000, 'describe', 'gpt-5.4-nano', 110000000, 4000000000, 4000000000, 1, 'Dunes at noon, says gpt-5.4-nano.', NULL, NULL, '{"image_input": 300, "text_output": 40}');
INSERT INTO captions VALUES(2, 2, 'caption gpt-5.4-mini', 0, '4a587f1cbcb03147844df039daa9d6ad', 1795176240000000, 'describe', 'gpt-5.4-mini', 110000000, 4000000000, 4000000000, 1, 'Dunes at noon, says gpt-5.4-mini.', NULL, NULL, '{"image_input": 300, "text_output": 40}');
INSERT INTO item_tags VALUES('desert', 1);
INSERT INTO item_tags VALUES('sand', 2);
INSERT INTO parents VALUES(3, 0, 2);
INSERT INTO history VALUES(1, 1, 2, 1795176240000000, 'owner', '{"rating": 0, "note": ""}', '{"rating": 5, "note": "the best"}');
INSERT INTO history VALUES(2, 2, 2, 1795176240000000, 'owner', '{"collection": "", "tags": []}', '{"collection": "trip", "tags": ["sand"]}');
INSERT INTO history VALUES(3, 3, 2, 1795176240000000, 'owner', '{"deleted": false}', '{"deleted": true}');
INSERT INTO search(rowid, title, prompt, captions, notes, tags, alt, name) VALUES(1, '', 'A wizard watering a glass desert', '', 'the best', 'desert
', '', '');
INSERT INTO search(rowid, title, prompt, captions, notes, tags, alt, name) VALUES(2, '', '', 'Dunes at noon, says gpt-5.4-nano.
Dunes at noon, says gpt-5.4-mini.', '', 'sand
trip', '', 'dunes.jpg');
INSERT INTO search(rowid, title, prompt, captions, notes, tags, alt, name) VALUES(3, '', 'at night', '', '', '', '', '');
