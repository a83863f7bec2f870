-- The log of llm 0.26 after four prompts, two with a picture in the log; without search tables.
BEGIN TRANSACTION;
CREATE TABLE "attachments" (
   "id" TEXT PRIMARY KEY,
   "type" TEXT,
   "path" TEXT,
   "url" TEXT,
   "content" BLOB
);
INSERT INTO "attachments" VALUES('0d42eb6048f9a07eed966e0b737c71783698a8f735e562b51642489f841033dd','image/png',NULL,NULL,X'89504E470D0A1A0A0000000D49484452000000080000000808020000004B6D29DC0000000F49444154789C6360C70118869604000DE60541725875DD0000000049454E44AE426082');
INSERT INTO "attachments" VALUES('58ed6d9d9a8d245c019298bd9f77a4d9ed3f59eb13218f44e57062fba152a3ab','image/png','photos/on-disk.png',NULL,NULL);
INSERT INTO "attachments" VALUES('0dce9017f37e2409c054a5d3fa3ea0a2b175118c872f900560139abdbc4ba3ab','image/png',NULL,'https://example.org/x.png',NULL);
CREATE TABLE "conversations" (
   "id" TEXT PRIMARY KEY,
   "name" TEXT,
   "model" TEXT
);
INSERT INTO "conversations" VALUES('01m7yz7abn8hake8nn6vk72bxk','Describe this picture','echo-vision');
INSERT INTO "conversations" VALUES('01m7yz7ac675cmn8ceen5ka46f','Write alt text','echo-vision');
INSERT INTO "conversations" VALUES('01m7yz7acj224qhg52gebnvn60','Two','echo-vision');
INSERT INTO "conversations" VALUES('01m7yz7acyfvmesdsef76z8y5s','No picture','echo-vision');
CREATE TABLE "fragment_aliases" (
   "alias" TEXT PRIMARY KEY,
   "fragment_id" INTEGER REFERENCES "fragments"("id")
);
CREATE TABLE "fragments" (
   "id" INTEGER PRIMARY KEY,
   "hash" TEXT,
   "content" TEXT,
   "datetime_utc" TEXT,
   "source" TEXT
);
CREATE TABLE "prompt_attachments" (
   "response_id" TEXT REFERENCES "responses"("id"),
   "attachment_id" TEXT REFERENCES "attachments"("id"),
   "order" INTEGER,
   PRIMARY KEY ("response_id", "attachment_id")
);
INSERT INTO "prompt_attachments" VALUES('01m7yz7abn8hake8nn6vk72bxj','0d42eb6048f9a07eed966e0b737c71783698a8f735e562b51642489f841033dd',0);
INSERT INTO "prompt_attachments" VALUES('01m7yz7ac675cmn8ceen5ka46e','0d42eb6048f9a07eed966e0b737c71783698a8f735e562b51642489f841033dd',0);
INSERT INTO "prompt_attachments" VALUES('01m7yz7acj224qhg52gebnvn5z','58ed6d9d9a8d245c019298bd9f77a4d9ed3f59eb13218f44e57062fba152a3ab',0);
INSERT INTO "prompt_attachments" VALUES('01m7yz7acj224qhg52gebnvn5z','0dce9017f37e2409c054a5d3fa3ea0a2b175118c872f900560139abdbc4ba3ab',1);
CREATE TABLE "prompt_fragments" (
   "response_id" TEXT REFERENCES "responses"("id"),
   "fragment_id" INTEGER REFERENCES "fragments"("id"),
   "order" INTEGER,
   PRIMARY KEY ("response_id", "fragment_id", "order")
);
CREATE TABLE "responses" (
   "id" TEXT PRIMARY KEY,
   "model" TEXT,
   "prompt" TEXT,
   "system" TEXT,
   "prompt_json" TEXT,
   "options_json" TEXT,
   "response" TEXT,
   "response_json" TEXT,
   "conversation_id" TEXT REFERENCES "conversations"("id"),
   "duration_ms" INTEGER,
   "datetime_utc" TEXT,
   "input_tokens" INTEGER,
   "output_tokens" INTEGER,
   "token_details" TEXT,
   "schema_id" TEXT REFERENCES "schemas"("id")
);
INSERT INTO "responses" VALUES('01m7yz7abn8hake8nn6vk72bxj','echo-vision','Describe this picture',NULL,NULL,'{}','A small grey square.',NULL,'01m7yz7abn8hake8nn6vk72bxk',0,'2026-11-21T11:52:46.709164+00:00',NULL,NULL,NULL,NULL);
INSERT INTO "responses" VALUES('01m7yz7ac675cmn8ceen5ka46e','echo-vision','Write alt text',NULL,NULL,'{}','Grey noise.',NULL,'01m7yz7ac675cmn8ceen5ka46f',0,'2026-11-21T11:52:46.726049+00:00',NULL,NULL,NULL,NULL);
INSERT INTO "responses" VALUES('01m7yz7acj224qhg52gebnvn5z','echo-vision','Two',NULL,NULL,'{}','A small grey square.',NULL,'01m7yz7acj224qhg52gebnvn60',0,'2026-11-21T11:52:46.738560+00:00',NULL,NULL,NULL,NULL);
INSERT INTO "responses" VALUES('01m7yz7acyfvmesdsef76z8y5r','echo-vision','No picture',NULL,NULL,'{}','A small grey square.',NULL,'01m7yz7acyfvmesdsef76z8y5s',0,'2026-11-21T11:52:46.750471+00:00',NULL,NULL,NULL,NULL);
CREATE TABLE "schemas" (
   "id" TEXT PRIMARY KEY,
   "content" TEXT
);
CREATE TABLE "system_fragments" (
   "response_id" TEXT REFERENCES "responses"("id"),
   "fragment_id" INTEGER REFERENCES "fragments"("id"),
   "order" INTEGER,
   PRIMARY KEY ("response_id", "fragment_id", "order")
);
CREATE TABLE "tool_calls" (
   "id" INTEGER PRIMARY KEY,
   "response_id" TEXT REFERENCES "responses"("id"),
   "tool_id" INTEGER REFERENCES "tools"("id"),
   "name" TEXT,
   "arguments" TEXT,
   "tool_call_id" TEXT
);
CREATE TABLE "tool_instances" (
   "id" INTEGER PRIMARY KEY,
   "plugin" TEXT,
   "name" TEXT,
   "arguments" TEXT
);
CREATE TABLE "tool_responses" (
   "tool_id" INTEGER REFERENCES "tools"("id"),
   "response_id" TEXT REFERENCES "responses"("id"),
   PRIMARY KEY ("tool_id", "response_id")
);
CREATE TABLE "tool_results" (
   "id" INTEGER PRIMARY KEY,
   "response_id" TEXT REFERENCES "responses"("id"),
   "tool_id" INTEGER REFERENCES "tools"("id"),
   "name" TEXT,
   "output" TEXT,
   "tool_call_id" TEXT,
   "instance_id" INTEGER REFERENCES "tool_instances"("id")
);
CREATE TABLE "tools" (
   "id" INTEGER PRIMARY KEY,
   "hash" TEXT,
   "name" TEXT,
   "description" TEXT,
   "input_schema" TEXT
, "plugin" TEXT);
CREATE UNIQUE INDEX "idx_fragments_hash"
    ON "fragments" ("hash");
CREATE UNIQUE INDEX "idx_tools_hash"
    ON "tools" ("hash");
COMMIT;
