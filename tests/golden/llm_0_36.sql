-- The log of llm 0.36 after four prompts, two with a picture in the log; without search tables.
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
CREATE TABLE "messages" (
   "hash" TEXT PRIMARY KEY,
   "parent_hash" TEXT REFERENCES "messages"("hash"),
   "role" TEXT,
   "provider_metadata" TEXT
);
INSERT INTO "messages" VALUES('b2:2f23059a2606e5c9808abdccadaecaf6',NULL,'user',NULL);
INSERT INTO "messages" VALUES('b2:dce15898e335220bc230bded43d2045d','b2:2f23059a2606e5c9808abdccadaecaf6','assistant',NULL);
INSERT INTO "messages" VALUES('b2:7e387764f012ee6e585ddb7e2d8f5476',NULL,'user',NULL);
INSERT INTO "messages" VALUES('b2:9117320139469f225062bfc90e7bf4df','b2:7e387764f012ee6e585ddb7e2d8f5476','assistant',NULL);
INSERT INTO "messages" VALUES('b2:6739550475df4d6a0cb9a46ee3f5c407',NULL,'user',NULL);
INSERT INTO "messages" VALUES('b2:babe4cba9f6aa30d4680a70ddc053b91','b2:6739550475df4d6a0cb9a46ee3f5c407','assistant',NULL);
INSERT INTO "messages" VALUES('b2:624f091780dbb54b8f11df78e5c48185',NULL,'user',NULL);
INSERT INTO "messages" VALUES('b2:b66f7a0a3e13d0e3538a336749790812','b2:624f091780dbb54b8f11df78e5c48185','assistant',NULL);
CREATE TABLE "part_attachments" (
   "part_id" INTEGER REFERENCES "parts"("id"),
   "attachment_id" TEXT REFERENCES "attachments"("id"),
   "order" INTEGER,
   PRIMARY KEY ("part_id", "attachment_id", "order")
);
INSERT INTO "part_attachments" VALUES(2,'0d42eb6048f9a07eed966e0b737c71783698a8f735e562b51642489f841033dd',0);
INSERT INTO "part_attachments" VALUES(5,'0d42eb6048f9a07eed966e0b737c71783698a8f735e562b51642489f841033dd',0);
INSERT INTO "part_attachments" VALUES(8,'58ed6d9d9a8d245c019298bd9f77a4d9ed3f59eb13218f44e57062fba152a3ab',0);
INSERT INTO "part_attachments" VALUES(9,'0dce9017f37e2409c054a5d3fa3ea0a2b175118c872f900560139abdbc4ba3ab',0);
CREATE TABLE "part_fragments" (
   "part_id" INTEGER REFERENCES "parts"("id"),
   "fragment_id" INTEGER REFERENCES "fragments"("id"),
   "order" INTEGER,
   PRIMARY KEY ("part_id", "fragment_id", "order")
);
CREATE TABLE "parts" (
   "id" INTEGER PRIMARY KEY,
   "message_hash" TEXT REFERENCES "messages"("hash"),
   "position" INTEGER,
   "type" TEXT,
   "tool_name" TEXT,
   "text" TEXT,
   "payload" TEXT
);
INSERT INTO "parts" VALUES(1,'b2:2f23059a2606e5c9808abdccadaecaf6',0,'text',NULL,'Describe this picture',NULL);
INSERT INTO "parts" VALUES(2,'b2:2f23059a2606e5c9808abdccadaecaf6',1,'attachment',NULL,NULL,'{"attachment": {"id": "0d42eb6048f9a07eed966e0b737c71783698a8f735e562b51642489f841033dd"}}');
INSERT INTO "parts" VALUES(3,'b2:dce15898e335220bc230bded43d2045d',0,'text',NULL,'A small grey square.',NULL);
INSERT INTO "parts" VALUES(4,'b2:7e387764f012ee6e585ddb7e2d8f5476',0,'text',NULL,'Write alt text',NULL);
INSERT INTO "parts" VALUES(5,'b2:7e387764f012ee6e585ddb7e2d8f5476',1,'attachment',NULL,NULL,'{"attachment": {"id": "0d42eb6048f9a07eed966e0b737c71783698a8f735e562b51642489f841033dd"}}');
INSERT INTO "parts" VALUES(6,'b2:9117320139469f225062bfc90e7bf4df',0,'text',NULL,'Grey noise.',NULL);
INSERT INTO "parts" VALUES(7,'b2:6739550475df4d6a0cb9a46ee3f5c407',0,'text',NULL,'Two',NULL);
INSERT INTO "parts" VALUES(8,'b2:6739550475df4d6a0cb9a46ee3f5c407',1,'attachment',NULL,NULL,'{"attachment": {"id": "58ed6d9d9a8d245c019298bd9f77a4d9ed3f59eb13218f44e57062fba152a3ab"}}');
INSERT INTO "parts" VALUES(9,'b2:6739550475df4d6a0cb9a46ee3f5c407',2,'attachment',NULL,NULL,'{"attachment": {"id": "0dce9017f37e2409c054a5d3fa3ea0a2b175118c872f900560139abdbc4ba3ab"}}');
INSERT INTO "parts" VALUES(10,'b2:babe4cba9f6aa30d4680a70ddc053b91',0,'text',NULL,'A small grey square.',NULL);
INSERT INTO "parts" VALUES(11,'b2:624f091780dbb54b8f11df78e5c48185',0,'text',NULL,'No picture',NULL);
INSERT INTO "parts" VALUES(12,'b2:b66f7a0a3e13d0e3538a336749790812',0,'text',NULL,'A small grey square.',NULL);
CREATE TABLE "prompt_attachments" (
   "response_id" TEXT REFERENCES "responses"("id"),
   "attachment_id" TEXT REFERENCES "attachments"("id"),
   "order" INTEGER,
   PRIMARY KEY ("response_id", "attachment_id")
);
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
, "resolved_model" TEXT, "reasoning" TEXT);
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
CREATE TABLE "threads" (
   "id" TEXT PRIMARY KEY,
   "name" TEXT,
   "tip_message_hash" TEXT REFERENCES "messages"("hash"),
   "forked_from" TEXT REFERENCES "threads"("id"),
   "datetime_utc" TEXT
);
INSERT INTO "threads" VALUES('01m7yz6khkvj229b9mbzy2mnbt','Describe this picture','b2:dce15898e335220bc230bded43d2045d',NULL,'2026-11-21 11:52:23.348138+00:00');
INSERT INTO "threads" VALUES('01m7yz6kjb5q7parq9cmzr0mq1','Write alt text','b2:9117320139469f225062bfc90e7bf4df',NULL,'2026-11-21 11:52:23.371715+00:00');
INSERT INTO "threads" VALUES('01m7yz6kjx6rj9nh5p5k5te0ng','Two','b2:babe4cba9f6aa30d4680a70ddc053b91',NULL,'2026-11-21 11:52:23.389607+00:00');
INSERT INTO "threads" VALUES('01m7yz6kknca6nzhvqe5kkspvm','No picture','b2:b66f7a0a3e13d0e3538a336749790812',NULL,'2026-11-21 11:52:23.413092+00:00');
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
CREATE TABLE "tool_instantiations" (
   "turn_id" TEXT REFERENCES "turns"("id"),
   "tool_call_id" TEXT,
   "instance_id" INTEGER REFERENCES "tool_instances"("id"),
   PRIMARY KEY ("turn_id", "tool_call_id")
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
, "exception" TEXT);
CREATE TABLE "tool_results_attachments" (
   "tool_result_id" INTEGER REFERENCES "tool_results"("id"),
   "attachment_id" TEXT REFERENCES "attachments"("id"),
   "order" INTEGER,
   PRIMARY KEY ("tool_result_id", "attachment_id")
);
CREATE TABLE "tools" (
   "id" INTEGER PRIMARY KEY,
   "hash" TEXT,
   "name" TEXT,
   "description" TEXT,
   "input_schema" TEXT
, "plugin" TEXT);
CREATE TABLE "turn_fragments" (
   "turn_id" TEXT REFERENCES "turns"("id"),
   "fragment_id" INTEGER REFERENCES "fragments"("id"),
   "order" INTEGER,
   "kind" TEXT,
   PRIMARY KEY ("turn_id", "fragment_id", "kind", "order")
);
CREATE TABLE "turn_search" (
   "id" INTEGER PRIMARY KEY,
   "turn_id" TEXT REFERENCES "turns"("id"),
   "prompt" TEXT,
   "response" TEXT
);
INSERT INTO "turn_search" VALUES(1,'01m7yz6kgszze6e3ck1p6kbdtt','Describe this picture','A small grey square.');
INSERT INTO "turn_search" VALUES(2,'01m7yz6kjb5q7parq9cmzr0mq0','Write alt text','Grey noise.');
INSERT INTO "turn_search" VALUES(3,'01m7yz6kjx6rj9nh5p5k5te0nf','Two','A small grey square.');
INSERT INTO "turn_search" VALUES(4,'01m7yz6kkm6xbzbp2b4hqyq7ds','No picture','A small grey square.');
CREATE TABLE "turn_tools" (
   "turn_id" TEXT REFERENCES "turns"("id"),
   "tool_id" INTEGER REFERENCES "tools"("id"),
   "instance_id" INTEGER REFERENCES "tool_instances"("id"),
   PRIMARY KEY ("turn_id", "tool_id")
);
CREATE TABLE "turns" (
   "id" TEXT PRIMARY KEY,
   "thread_id" TEXT REFERENCES "threads"("id"),
   "parent_message_hash" TEXT REFERENCES "messages"("hash"),
   "tip_message_hash" TEXT REFERENCES "messages"("hash"),
   "model" TEXT,
   "resolved_model" TEXT,
   "options_json" TEXT,
   "schema_id" TEXT REFERENCES "schemas"("id"),
   "input_tokens" INTEGER,
   "output_tokens" INTEGER,
   "token_details" TEXT,
   "duration_ms" INTEGER,
   "datetime_utc" TEXT
, "response_json" TEXT);
INSERT INTO "turns" VALUES('01m7yz6kgszze6e3ck1p6kbdtt','01m7yz6khkvj229b9mbzy2mnbt','b2:2f23059a2606e5c9808abdccadaecaf6','b2:dce15898e335220bc230bded43d2045d','echo-vision','echo-vision-2026-11',NULL,NULL,NULL,NULL,NULL,0,'2026-11-21T11:52:23.321897+00:00',NULL);
INSERT INTO "turns" VALUES('01m7yz6kjb5q7parq9cmzr0mq0','01m7yz6kjb5q7parq9cmzr0mq1','b2:7e387764f012ee6e585ddb7e2d8f5476','b2:9117320139469f225062bfc90e7bf4df','echo-vision','echo-vision-2026-11',NULL,NULL,NULL,NULL,NULL,0,'2026-11-21T11:52:23.371370+00:00',NULL);
INSERT INTO "turns" VALUES('01m7yz6kjx6rj9nh5p5k5te0nf','01m7yz6kjx6rj9nh5p5k5te0ng','b2:6739550475df4d6a0cb9a46ee3f5c407','b2:babe4cba9f6aa30d4680a70ddc053b91','echo-vision','echo-vision-2026-11',NULL,NULL,NULL,NULL,NULL,0,'2026-11-21T11:52:23.389286+00:00',NULL);
INSERT INTO "turns" VALUES('01m7yz6kkm6xbzbp2b4hqyq7ds','01m7yz6kknca6nzhvqe5kkspvm','b2:624f091780dbb54b8f11df78e5c48185','b2:b66f7a0a3e13d0e3538a336749790812','echo-vision','echo-vision-2026-11',NULL,NULL,NULL,NULL,NULL,0,'2026-11-21T11:52:23.412621+00:00',NULL);
CREATE UNIQUE INDEX "idx_fragments_hash"
    ON "fragments" ("hash");
CREATE UNIQUE INDEX "idx_tools_hash"
    ON "tools" ("hash");
CREATE INDEX "idx_messages_parent_hash"
    ON "messages" ("parent_hash");
CREATE UNIQUE INDEX "idx_parts_message_hash_position"
    ON "parts" ("message_hash", "position");
CREATE INDEX "idx_part_fragments_fragment_id"
    ON "part_fragments" ("fragment_id");
CREATE INDEX "idx_turns_thread_id"
    ON "turns" ("thread_id");
CREATE INDEX "idx_turn_fragments_fragment_id"
    ON "turn_fragments" ("fragment_id");
CREATE UNIQUE INDEX "idx_turn_search_turn_id"
    ON "turn_search" ("turn_id");
COMMIT;
