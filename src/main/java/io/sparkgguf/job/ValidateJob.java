package io.sparkgguf.job;

import io.sparkgguf.format.gguf.GgufHeader;
import io.sparkgguf.format.gguf.GgufSource;
import io.sparkgguf.job.stage.Progress;
import io.sparkgguf.job.stage.Session;
import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.model.ModelTensor;
import io.sparkgguf.plan.PlannedTensor;
import io.sparkgguf.plan.UnitCutter;
import io.sparkgguf.plan.WorkUnit;
import io.sparkgguf.quant.BlockFormats;
import io.sparkgguf.quant.ErrorStats;
import io.sparkgguf.quant.mix.Rule;
import io.sparkgguf.quant.mix.TypeChoice;
import io.sparkgguf.report.Report;
import io.sparkgguf.report.ReportFile;
import io.sparkgguf.report.ValidationReport;
import io.sparkgguf.storage.Digest;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.TensorLocation;
import io.sparkgguf.validate.Finding;
import io.sparkgguf.validate.ModelCheck;
import io.sparkgguf.validate.Shard;
import io.sparkgguf.validate.TensorEntry;
import io.sparkgguf.validate.TensorRange;
import io.sparkgguf.validate.TensorReader;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Says whether a GGUF file is sound: layout, the tensors that its architecture needs, finite scales, the digests of its
 * report, and with its source the error of every tensor.
 */
public final class ValidateJob {
    /** Reports of models with 10^5 tensors have some 60 MB. */
    private static final long MAX_REPORT_BYTES = 256L << 20;

    /** Below this cosine a tensor is not a rounding of its source by any type. */
    private static final double UNRELATED = 0.5;

    private final Session session;
    private final Progress progress;
    private final Storage storage;
    private final List<String> findings = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();

    public ValidateJob(Session session, Progress progress) {
        this.session = session;
        this.progress = progress;
        this.storage = session.storage();
    }

    /**
     * Validates a file; what is wrong with it is in the result, not an exception.
     *
     * @param file the GGUF file, or the first of a split model
     * @param reportFile the report of the run that wrote it; null for the one beside it, where it exists
     * @param model the source to compare with, or null
     */
    public ValidationReport run(String file, String reportFile, String model) throws IOException {
        return validate(session.everywhere(file), session.everywhere(reportFile), session.everywhere(model));
    }

    private ValidationReport validate(String file, String reportFile, String model) throws IOException {
        if (!storage.exists(file)) {
            throw new InvalidInputException("Cannot validate " + file + ": no such file");
        }
        GgufSource source;
        try {
            source = GgufSource.open(storage, file);
        } catch (InvalidInputException damaged) {
            return new ValidationReport(
                    file, false, null, storage.status(file).length(), List.of(damaged.getMessage()), notes, List.of());
        }
        checkLayout(source);
        checkModel(source);
        Map<String, String> expected = expected(file, reportFile, source);
        List<ReadBack> read = readBack(source);
        Map<String, ErrorStats> errors = model == null ? Map.of() : compare(source, model);
        List<ValidationReport.Tensor> tensors = new ArrayList<>();
        for (int i = 0; i < read.size(); i++) {
            tensors.add(describe(source.tensors().get(i), read.get(i), expected, errors));
        }
        long bytes = source.shards().stream().mapToLong(GgufHeader::fileLength).sum();
        return new ValidationReport(
                file,
                findings.isEmpty(),
                source.metadata().string("general.architecture").orElse(null),
                bytes,
                List.copyOf(findings),
                List.copyOf(notes),
                tensors);
    }

    private void checkLayout(GgufSource source) {
        for (GgufHeader shard : source.shards()) {
            if (shard.fileLength() > shard.paddedEnd()) {
                findings.add("%s has %d bytes behind its last tensor"
                        .formatted(shard.file(), shard.fileLength() - shard.paddedEnd()));
            } else if (shard.fileLength() < shard.paddedEnd()) {
                notes.add(
                        "%s lacks the padding behind its last tensor; llama.cpp accepts that".formatted(shard.file()));
            }
        }
    }

    private void checkModel(GgufSource source) {
        List<Shard> shards = new ArrayList<>();
        for (GgufHeader header : source.shards()) {
            List<TensorEntry> entries = header.tensors().stream()
                    .map(tensor -> new TensorEntry(tensor.name(), tensor.shape(), tensor.type()))
                    .toList();
            shards.add(new Shard(header.file(), header.metadata(), entries));
        }
        for (Finding finding : ModelCheck.check(shards)) {
            (finding.isError() ? findings : notes).add(finding.message());
        }
    }

    /** Digests by tensor, from the report. */
    private Map<String, String> expected(String file, String reportFile, GgufSource source) throws IOException {
        String name = reportFile != null ? reportFile : file + ".report.json";
        if (!storage.exists(name)) {
            if (reportFile != null) {
                throw new InvalidInputException("Cannot read report " + reportFile + ": no such file");
            }
            notes.add("no report beside the file: digests are not compared");
            return Map.of();
        }
        Report report;
        try (RangeReader reader = storage.open(name)) {
            if (reader.length() > MAX_REPORT_BYTES) {
                throw new InvalidInputException("Cannot read report " + name + ": it has " + reader.length()
                        + " bytes, more than the " + MAX_REPORT_BYTES + " allowed");
            }
            byte[] json = new byte[(int) reader.length()];
            reader.readFully(0, json, 0, json.length);
            report = ReportFile.parse(json, name);
        }
        Map<String, String> digests = new HashMap<>();
        if (report.tensors() == null) {
            throw new InvalidInputException("Cannot read report " + name + ": it lists no tensors");
        }
        report.tensors().forEach(tensor -> digests.put(tensor.name(), tensor.xxh64()));
        for (TensorLocation tensor : source.tensors()) {
            if (digests.get(tensor.name()) == null) {
                findings.add("tensor " + tensor.name() + " is not in the report " + name);
            }
        }
        if (digests.size() > source.tensors().size()) {
            findings.add("the report %s lists %d tensors, the file holds %d"
                    .formatted(name, digests.size(), source.tensors().size()));
        }
        return digests;
    }

    /** What reading a tensor back gave. */
    private record ReadBack(long digest, String finding) implements Serializable {}

    private List<ReadBack> readBack(GgufSource source) throws IOException {
        List<TensorRange> ranges = new ArrayList<>();
        for (TensorLocation tensor : source.tensors()) {
            ranges.add(new TensorRange(
                    tensor.name(),
                    (BlockType) tensor.encoding(),
                    tensor.file(),
                    tensor.offset(),
                    tensor.length(),
                    List.of()));
        }
        TensorReader reader = new TensorReader(storage);
        List<ReadBack> read = Stage.of("validate", ranges, (TensorRange range) -> {
                    try {
                        return new ReadBack(reader.run(range).digest(), null);
                    } catch (InvalidInputException damaged) {
                        return new ReadBack(0, damaged.getMessage());
                    }
                })
                .cost(TensorRange::bytes)
                .size(TensorRange::bytes)
                .run(session, progress);
        read.stream().map(ReadBack::finding).filter(finding -> finding != null).forEach(findings::add);
        return read;
    }

    private Map<String, ErrorStats> compare(GgufSource source, String model) throws IOException {
        Checkpoint checkpoint = Checkpoint.open(storage, model, null);
        Map<String, ModelTensor> originals = checkpoint.tensorsByName();
        UnitCutter cutter = new UnitCutter(QuantizeSettings.DEFAULT_UNIT_MEMORY);
        List<WorkUnit> units = new ArrayList<>();
        List<String> files = source.shards().stream().map(GgufHeader::file).toList();
        for (TensorLocation tensor : source.tensors()) {
            ModelTensor original = originals.remove(tensor.name());
            if (original == null) {
                findings.add("tensor " + tensor.name() + " is not in the source " + model);
            } else if (!original.shape().equals(tensor.shape())) {
                findings.add("tensor %s has shape %s, but %s in the source"
                        .formatted(tensor.name(), tensor.shape(), original.shape()));
            } else if (!BlockFormats.of(tensor.encoding()).decodes()
                    || !BlockFormats.of(original.encoding()).decodes()) {
                notes.add("tensor %s (%s) cannot be decoded here and is not compared"
                        .formatted(tensor.name(), tensor.encoding().label()));
            } else {
                units.addAll(cutter.cut(planned(original, tensor, files.indexOf(tensor.file())), units.size()));
            }
        }
        originals.keySet().forEach(name -> findings.add("tensor " + name + " of the source is missing"));
        UnitComparer comparer = new UnitComparer(checkpoint.pin(storage), files.toArray(String[]::new));
        List<ErrorStats> parts = Stage.of("compare", units, comparer::run)
                .cost(WorkUnit::cost)
                .size(unit -> unit.sourceBytes() + unit.bytes())
                .memory(WorkUnit::memory)
                .run(session, progress);
        Map<String, ErrorStats> errors = new HashMap<>();
        for (WorkUnit unit : units) {
            errors.computeIfAbsent(unit.name(), name -> new ErrorStats()).merge(parts.get(unit.id()));
        }
        errors.forEach((name, error) -> {
            if (error.cosine() < UNRELATED) {
                findings.add("tensor %s is not a rounding of the source: relative error %.3f, cosine %.3f"
                        .formatted(name, error.relativeRmse(), error.cosine()));
            }
        });
        return errors;
    }

    private static PlannedTensor planned(ModelTensor original, TensorLocation tensor, int file) {
        BlockType type = (BlockType) tensor.encoding();
        TypeChoice choice = new TypeChoice(
                tensor.name(), tensor.shape(), original.encoding(), type, type, Rule.COPY, "as it is in the file");
        return new PlannedTensor(0, original, choice, file, tensor.offset(), tensor.length(), null);
    }

    private ValidationReport.Tensor describe(
            TensorLocation tensor, ReadBack read, Map<String, String> expected, Map<String, ErrorStats> errors) {
        String digest = read.finding() == null ? Digest.hex(read.digest()) : null;
        String known = expected.get(tensor.name());
        if (digest != null && known != null && !known.equals(digest)) {
            findings.add("tensor %s has xxHash64 %s, but %s in the report".formatted(tensor.name(), digest, known));
        }
        ErrorStats error = errors.get(tensor.name());
        return new ValidationReport.Tensor(
                tensor.name(),
                Arrays.stream(tensor.shape().toArray()).boxed().toList(),
                tensor.encoding().label(),
                tensor.offset(),
                tensor.length(),
                digest,
                known,
                error == null ? null : error.relativeRmse(),
                error == null ? null : (double) error.largestError(),
                error == null ? null : error.cosine());
    }
}
