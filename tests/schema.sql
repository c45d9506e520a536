-- The four tables that a lookup reads, with the columns that it reads and no others, and the indexes
-- that the engine's own migrations make. Load it into an empty database: psql -f tests/schema.sql

CREATE TYPE "TaskRunExecutionStatus" AS ENUM (
    'RUN_CREATED', 'QUEUED', 'QUEUED_EXECUTING', 'PENDING_EXECUTING', 'EXECUTING',
    'EXECUTING_WITH_WAITPOINTS', 'SUSPENDED', 'PENDING_CANCEL', 'FINISHED', 'DELAYED'
);

CREATE TYPE "TaskRunStatus" AS ENUM (
    'DELAYED', 'PENDING', 'PENDING_VERSION', 'WAITING_FOR_DEPLOY', 'DEQUEUED', 'EXECUTING',
    'WAITING_TO_RESUME', 'RETRYING_AFTER_FAILURE', 'PAUSED', 'CANCELED', 'INTERRUPTED',
    'COMPLETED_SUCCESSFULLY', 'COMPLETED_WITH_ERRORS', 'SYSTEM_FAILURE', 'CRASHED', 'EXPIRED',
    'TIMED_OUT'
);

CREATE TYPE "TaskRunCheckpointType" AS ENUM ('DOCKER', 'KUBERNETES', 'COMPUTE');

CREATE TYPE "WaitpointType" AS ENUM ('RUN', 'DATETIME', 'MANUAL', 'BATCH');

-- The columns of timestamp(3) hold UTC.
CREATE TABLE "TaskRunExecutionSnapshot" (
    "id" text NOT NULL,
    "executionStatus" "TaskRunExecutionStatus" NOT NULL,
    "description" text NOT NULL,
    "isValid" boolean NOT NULL DEFAULT true,
    "runId" text NOT NULL,
    "runStatus" "TaskRunStatus" NOT NULL,
    "batchId" text,
    "attemptNumber" integer,
    "environmentId" text NOT NULL,
    "completedWaitpointOrder" text[],
    "checkpointId" text,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "TaskRunExecutionSnapshot_pkey" PRIMARY KEY ("id")
);

CREATE INDEX "TaskRunExecutionSnapshot_runId_isValid_createdAt_idx"
    ON "TaskRunExecutionSnapshot" ("runId", "isValid", "createdAt" DESC);

CREATE TABLE "TaskRunCheckpoint" (
    "id" text NOT NULL,
    "friendlyId" text NOT NULL,
    "type" "TaskRunCheckpointType" NOT NULL,
    "location" text NOT NULL,
    "imageRef" text,
    "reason" text,
    CONSTRAINT "TaskRunCheckpoint_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "Waitpoint" (
    "id" text NOT NULL,
    "friendlyId" text NOT NULL,
    "type" "WaitpointType" NOT NULL,
    "completedAt" timestamp(3),
    "idempotencyKey" text NOT NULL,
    "userProvidedIdempotencyKey" boolean NOT NULL,
    "inactiveIdempotencyKey" text,
    "completedByTaskRunId" text,
    "completedAfter" timestamp(3),
    "completedByBatchId" text,
    "output" text,
    "outputType" text NOT NULL DEFAULT 'application/json',
    "outputIsError" boolean NOT NULL DEFAULT false,
    CONSTRAINT "Waitpoint_pkey" PRIMARY KEY ("id")
);

-- "A" is a snapshot's id, "B" a waitpoint's. There are no foreign keys here on purpose: the engine may
-- keep waitpoints elsewhere, and a link may stand before or outlive what it points to.
CREATE TABLE "_completedWaitpoints" (
    "A" text NOT NULL,
    "B" text NOT NULL
);

CREATE UNIQUE INDEX "_completedWaitpoints_AB_unique" ON "_completedWaitpoints" ("A", "B");
CREATE INDEX "_completedWaitpoints_B_index" ON "_completedWaitpoints" ("B");
