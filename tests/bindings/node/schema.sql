CREATE TABLE known (id text PRIMARY KEY);
INSERT INTO known VALUES ('old');
