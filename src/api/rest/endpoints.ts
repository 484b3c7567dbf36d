/** All endpoints of REST, each one value. */
import { docsAsset, docsPage, openApi } from './api-docs.js';
import { fileContent } from './archive.js';
import { submissionContent } from './content.js';
import { deleteFile, dropSegments } from './deletion.js';
import { directoryPath } from './directory-path.js';
import type { Endpoint } from './endpoint.js';
import { gatewayEntry } from './gateway/directories.js';
import { gatewayFile } from './gateway/files.js';
import { gatewayFileInfo, gatewayFilesInfo, gatewayStatus } from './gateway/info.js';
import { gatewaySegment } from './gateway/segments.js';
import { fileInfo, flow, sectorProof, submissionInfo } from './info.js';
import { listOfFiles, listOfSubmissions } from './lists.js';
import { postUpload } from './post-upload.js';
import { putUpload } from './put-upload.js';
import { fileSegment, submissionSegment } from './segments.js';
import { mining } from './mining.js';
import { deep, greeting, live, metrics, ready } from './service.js';
import { tusCreate, tusHead, tusOptions, tusOverride, tusPatch, tusRemove } from './tus.js';

export const REST_ENDPOINTS: readonly Endpoint[] = [
	putUpload,
	postUpload,
	tusOptions,
	tusCreate,
	tusHead,
	tusPatch,
	tusRemove,
	tusOverride,
	listOfFiles,
	fileContent,
	directoryPath,
	deleteFile,
	dropSegments,
	fileInfo,
	fileSegment,
	listOfSubmissions,
	submissionContent,
	submissionInfo,
	submissionSegment,
	flow,
	sectorProof,
	gatewayFile,
	gatewayEntry,
	gatewayFileInfo,
	gatewayFilesInfo,
	gatewayStatus,
	gatewaySegment,
	mining,
	openApi,
	docsPage,
	docsAsset,
	greeting,
	metrics,
	live,
	deep,
	ready,
];
