package io.sparkgguf.job;

import io.sparkgguf.format.gguf.GgufHeader;
import io.sparkgguf.format.gguf.GgufSource;
import io.sparkgguf.format.safetensors.SafetensorsCheckpoint;
import io.sparkgguf.format.safetensors.SafetensorsHeader;
import io.sparkgguf.format.safetensors.SafetensorsReader;
import io.sparkgguf.report.InspectionReport;
import io.sparkgguf.report.Report;
import io.sparkgguf.storage.RangeReader;
import io.sparkgguf.storage.Storage;
import io.sparkgguf.storage.Storage.FileStatus;
import io.sparkgguf.tensor.InvalidInputException;
import io.sparkgguf.tensor.Metadata;
import io.sparkgguf.tensor.MetadataValue;
import io.sparkgguf.tensor.TensorLocation;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Lists what the headers of a checkpoint say, of any architecture. */
public final class Inspection {
    /** Elements of an array that are shown. */
    private static final int SHOWN = 8;

    private Inspection() {}

    /** Inspects a GGUF file, a safetensors file, or a Hugging Face folder. */
    public static InspectionReport of(Storage storage, String path) throws IOException {
        FileStatus status;
        try {
            status = storage.status(path);
        } catch (FileNotFoundException e) {
            throw new InvalidInputException("Cannot inspect " + path + ": no such file or folder", e);
        }
        if (status.folder()) {
            SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.open(storage, path);
            return report(
                    storage,
                    path,
                    "Hugging Face checkpoint",
                    checkpoint.files(),
                    new LinkedHashMap<>(checkpoint.metadata()),
                    checkpoint.tensors());
        }
        if (path.endsWith(".safetensors")) {
            try (RangeReader reader = storage.open(path)) {
                SafetensorsHeader header = SafetensorsReader.read(reader);
                return report(
                        storage,
                        path,
                        "safetensors",
                        List.of(path),
                        new LinkedHashMap<>(header.metadata()),
                        header.tensors());
            }
        }
        GgufSource source = GgufSource.open(storage, path);
        return report(
                storage,
                path,
                "GGUF v" + source.shards().get(0).version(),
                source.shards().stream().map(GgufHeader::file).toList(),
                readable(source.metadata()),
                source.tensors());
    }

    private static InspectionReport report(
            Storage storage,
            String path,
            String format,
            List<String> files,
            Map<String, Object> metadata,
            List<TensorLocation> tensors)
            throws IOException {
        List<Report.SourceFile> statuses = new ArrayList<>();
        for (String file : files) {
            FileStatus status = storage.status(file);
            statuses.add(new Report.SourceFile(status.file(), status.length(), status.modified()));
        }
        return new InspectionReport(
                path,
                format,
                statuses,
                metadata,
                tensors.stream().mapToLong(tensor -> tensor.shape().elements()).sum(),
                tensors.stream().mapToLong(TensorLocation::length).sum(),
                tensors.stream()
                        .map(tensor -> new InspectionReport.Tensor(
                                tensor.name(),
                                Arrays.stream(tensor.shape().toArray()).boxed().toList(),
                                tensor.encoding().label(),
                                tensor.file(),
                                tensor.offset(),
                                tensor.length()))
                        .toList());
    }

    private static Map<String, Object> readable(Metadata metadata) {
        Map<String, Object> readable = new LinkedHashMap<>();
        metadata.asMap().forEach((key, value) -> readable.put(key, readable(value)));
        return readable;
    }

    private static Object readable(MetadataValue value) {
        if (value instanceof MetadataValue.Int number) {
            return number.value();
        } else if (value instanceof MetadataValue.Real number) {
            return number.value();
        } else if (value instanceof MetadataValue.Bool flag) {
            return flag.value();
        } else if (value instanceof MetadataValue.Text text) {
            return text.value();
        }
        List<Object> shown = new ArrayList<>();
        int count;
        if (value instanceof MetadataValue.Strings strings) {
            count = strings.count();
            for (int i = 0; i < Math.min(SHOWN, count); i++) {
                shown.add(strings.get(i));
            }
        } else {
            MetadataValue.Numbers numbers = (MetadataValue.Numbers) value;
            count = numbers.count();
            for (int i = 0; i < Math.min(SHOWN, count); i++) {
                shown.add(numbers.element().isInteger() ? (Object) numbers.integer(i) : (Object) numbers.real(i));
            }
        }
        if (count > SHOWN) {
            shown.add("... " + count + " in all");
        }
        return shown;
    }
}
