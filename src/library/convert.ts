/** `layerswarm/convert`: disk images to OCI images. */
export { convertDisk, type ConvertOptions, type ConvertProgress, type ConvertReceipt } from '../convert/convert.ts';
export { parseOutput, type ConvertOutput } from '../convert/output.ts';
export { LayerswarmError, type ErrorCode } from '../errors.ts';
