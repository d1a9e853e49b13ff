package io.sparkgguf.job;

import io.sparkgguf.assemble.ByteRange;
import io.sparkgguf.assemble.Copied;
import io.sparkgguf.assemble.Part;
import io.sparkgguf.assemble.RangeCopier;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Recall;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.job.work.Outputs;
import io.sparkgguf.job.work.WorkFolder;
import io.sparkgguf.plan.OutputFile;
import io.sparkgguf.plan.Plan;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.FileCommit;
import io.sparkgguf.storage.RangeSink;
import io.sparkgguf.storage.RangeWriter;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.WholeFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * Puts the output files together from the units' parts. Tasks copy and check; the driver writes the headers, and sees no
 * other byte. Parts that turn out missing or wrong are made again, and ranges that a place lost are written again. Where
 * units were written in place there is nothing to copy, and only what is around them to be filled in.
 */
final class Assembly {
    /** The stage in the journal: ranges that places have taken, by the upload that they belong to. */
    private static final String JOURNAL = "assemble";

    /** How often what is damaged is made again before it is given up. */
    static final int ROUNDS = 3;

    private static final int ZEROS = 1 << 16;

    private final Session session;
    private final Storage storage;
    private final Plan plan;
    private final WorkFolder work;
    private final Outputs outputs;
    private final List<FileCommit> commits;
    private final Progress progress;
    private final List<String> notes = new ArrayList<>();

    Assembly(Session session, Plan plan, WorkFolder work, Outputs outputs, Progress progress) {
        this.session = session;
        this.storage = session.storage();
        this.plan = plan;
        this.work = work;
        this.outputs = outputs;
        this.commits = outputs.commits();
        this.progress = progress;
    }

    /** Makes the parts of units again; the bytes must be the same. */
    interface Redo {
        void run(List<WorkUnit> units) throws IOException;
    }

    /** What had to be done more than once, for people. */
    List<String> notes() {
        return notes;
    }

    /**
     * Does it; every file is sealed afterwards.
     *
     * @param units results by unit id
     * @param rangeBytes how long ranges should be
     * @param redo for damaged parts
     */
    void run(List<UnitResult> units, long rangeBytes, Redo redo) throws IOException {
        List<ByteRange> ranges = new ArrayList<>();
        List<RangeSink> sinks = new ArrayList<>();
        for (int file = 0; file < commits.size(); file++) {
            OutputFile output = plan.files().get(file);
            FileCommit commit = commits.get(file);
            Optional<String> inPlace = outputs.inPlace(file);
            if (inPlace.isPresent()) {
                fillIn(file, inPlace.get());
                sinks.add(commit.sink(0));
                continue;
            }
            writeHeader(file);
            long length = ByteRange.length(output.length(), rangeBytes, commit.leastRange(), commit.mostRanges());
            List<ByteRange> own = ByteRange.cut(file, output.length(), length, parts(file, units));
            ranges.addAll(own);
            sinks.add(commit.sink(own.size()));
        }
        RangeCopier copier = new RangeCopier(storage, sinks);
        String[] receipts =
                ranges.stream().map(this::earlier).map(Copied::receipt).toArray(String[]::new);
        int put = (int) Arrays.stream(receipts).filter(Objects::nonNull).count();
        if (put > 0) {
            progress.say("spark-gguf: %d of %d ranges of the output were written by an earlier run"
                    .formatted(put, receipts.length));
        }
        boolean[] sealed = new boolean[commits.size()];
        for (int round = 0; !isSealed(sealed); round++) {
            Damage damage = copy(copier, ranges, receipts, round);
            if (damage.parts.isEmpty()) {
                damage = seal(ranges, receipts, sealed);
            }
            if (damage.reason != null && round == ROUNDS) {
                throw new IOException("Cannot put " + plan.files().get(0).file() + " together: " + damage.reason
                        + ", also after it was made again " + ROUNDS + " times");
            }
            repair(damage, redo);
        }
    }

    private static boolean isSealed(boolean[] sealed) {
        return IntStream.range(0, sealed.length).allMatch(file -> sealed[file]);
    }

    /**
     * What went wrong in a round.
     *
     * @param parts ids of units, or for a header the number before them: -1 - file
     * @param ranges how many are to be written again though their parts are right
     * @param reason for people; null when all is well
     */
    private record Damage(TreeSet<Integer> parts, int ranges, String reason) {}

    private void writeHeader(int file) throws IOException {
        WholeFile.write(
                storage,
                work.header(file),
                out -> out.write(plan.files().get(file).header()));
    }

    /** Writes what no unit does: the header, and zeros between tensors and behind the last one. */
    private void fillIn(int file, String inPlace) throws IOException {
        OutputFile output = plan.files().get(file);
        try (RangeWriter out = RangeWriter.open(storage, inPlace)) {
            out.write(0, output.header(), 0, output.header().length);
            long end = output.header().length;
            for (WorkUnit unit : plan.units()) {
                if (unit.output() == file) {
                    fillIn(out, end, unit.offset());
                    end = unit.offset() + unit.bytes();
                }
            }
            fillIn(out, end, output.length());
        }
    }

    private static void fillIn(RangeWriter out, long from, long to) throws IOException {
        for (long at = from; at < to; at += ZEROS) {
            byte[] zeros = new byte[(int) Math.min(ZEROS, to - at)];
            out.write(at, zeros, 0, zeros.length);
        }
    }

    private List<Part> parts(int file, List<UnitResult> units) {
        byte[] header = plan.files().get(file).header();
        List<Part> parts = new ArrayList<>();
        parts.add(new Part(-1 - file, work.header(file), 0, header.length, Digest.of(header, 0, header.length)));
        for (WorkUnit unit : plan.units()) {
            if (unit.output() == file) {
                UnitResult made = units.get(unit.id());
                parts.add(new Part(unit.id(), work.part(made.part()), unit.offset(), unit.bytes(), made.digest()));
            }
        }
        return parts;
    }

    /** What the journal knows of a range; no receipt when nothing does, or the place forgot it. */
    private Copied earlier(ByteRange range) {
        Copied known =
                outputs.isGoneOnWith(range.output()) ? work.journal().known(JOURNAL, item(range), Copied.class) : null;
        return known == null ? new Copied(null, List.of(), null) : known;
    }

    /** A range's name in the journal: of these bytes, in this upload. */
    private String item(ByteRange range) {
        byte[] handle = commits.get(range.output()).handle().getBytes(StandardCharsets.UTF_8);
        return "%s %d %d".formatted(Digest.hex(Digest.of(handle, 0, handle.length)), range.offset(), range.length());
    }

    /** Writes the ranges that have no receipt. */
    private Damage copy(RangeCopier copier, List<ByteRange> ranges, String[] receipts, int round) throws IOException {
        int[] open = IntStream.range(0, receipts.length)
                .filter(range -> receipts[range] == null)
                .toArray();
        List<ByteRange> now = Arrays.stream(open).mapToObj(ranges::get).toList();
        List<Copied> copied = Stage.of(round == 0 ? "assemble" : "assemble again", now, copier::run)
                .cost(ByteRange::length)
                .size(ByteRange::length)
                .memory(range ->
                        RangeCopier.MEMORY + commits.get(range.output()).memory(range.length()))
                .recall(new Recall<>() {
                    @Override
                    public Copied known(int item) {
                        return null;
                    }

                    @Override
                    public void learned(int item, Copied copied) throws IOException {
                        if (copied.receipt() != null && !copied.receipt().isEmpty()) {
                            work.journal().record(JOURNAL, item(now.get(item)), copied, List.of());
                        }
                    }
                })
                .run(session, progress);
        TreeSet<Integer> damaged = new TreeSet<>();
        String reason = null;
        for (int i = 0; i < open.length; i++) {
            Copied result = copied.get(i);
            receipts[open[i]] = result.receipt();
            damaged.addAll(result.damaged());
            reason = reason == null ? result.reason() : reason;
        }
        return new Damage(damaged, 0, reason);
    }

    /** Seals the files whose ranges the place still has; forgets the receipts of those that it lost. */
    private Damage seal(List<ByteRange> ranges, String[] receipts, boolean[] sealed) throws IOException {
        int lost = 0;
        String reason = null;
        for (int file = 0; file < sealed.length; file++) {
            if (sealed[file]) {
                continue;
            }
            int index = file;
            int[] own = IntStream.range(0, receipts.length)
                    .filter(range -> ranges.get(range).output() == index)
                    .toArray();
            List<Integer> missing = commits.get(file)
                    .seal(Arrays.stream(own).mapToObj(range -> receipts[range]).toList());
            missing.forEach(range -> receipts[own[range]] = null);
            sealed[file] = missing.isEmpty();
            lost += missing.size();
            if (!missing.isEmpty() && reason == null) {
                reason = "range " + missing.get(0) + " of " + own.length + " was written and is lost";
            }
        }
        return new Damage(new TreeSet<>(), lost, reason);
    }

    private void repair(Damage damage, Redo redo) throws IOException {
        if (damage.reason == null) {
            return;
        }
        List<WorkUnit> units = new ArrayList<>();
        for (int part : damage.parts) {
            if (part < 0) {
                writeHeader(-1 - part);
            } else {
                units.add(plan.units().get(part));
            }
        }
        String note = damage.ranges > 0
                ? "%d range(s) of the output were written again: they were lost".formatted(damage.ranges)
                : "%d part(s) of the output were made again: %s".formatted(damage.parts.size(), damage.reason);
        progress.say("spark-gguf: " + note);
        notes.add(note);
        if (!units.isEmpty()) {
            redo.run(units);
        }
    }
}
